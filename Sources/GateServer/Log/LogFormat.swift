// How events are written.

/// The formats of the log.
public enum LogFormat: String, CaseIterable, Sendable {
  /// One line of `key=value`, for people.
  case text
  /// One JSON object a line, for programs.
  case json
  /// Datagrams of the journal's native protocol.
  case journal

  /// The bytes of one event, its end included.
  func write(_ event: LogEvent) -> [UInt8] {
    switch self {
    case .text: TextFormat.write(event)
    case .json: JSONFormat.write(event)
    case .journal: JournalFormat.write(event)
    }
  }
}
