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
  ///
  /// - Parameter instance: Which of several programs writes it, if it has a name.
  func write(_ event: LogEvent, of instance: InstanceName? = nil) -> [UInt8] {
    switch self {
    case .text: TextFormat.write(event, of: instance)
    case .json: JSONFormat.write(event, of: instance)
    case .journal: JournalFormat.write(event, of: instance)
    }
  }
}
