// Why a line is not one of the sidecar's log. Thrown by LogLine.decision.

/// What is wrong with a line.
public struct LogLineError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The first byte of what is wrong, the first of the line being 1.
  public let column: Int
  /// What is wrong, and after a comma what was expected.
  public let message: String

  /// What is wrong at `column`.
  public init(column: Int, message: String) {
    self.column = column
    self.message = message
  }

  /// The line is what journalctl shows people: a MESSAGE, which has not the keys.
  static let shownMessage = LogLineError(
    column: 1, message: "the journal's MESSAGE has no keys, expected whole entries (-o json or -o export)")

  /// The message alone; whoever reads lines knows which file and line this is.
  public var description: String { message }
}
