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

  /// The message alone; whoever reads lines knows which file and line this is.
  public var description: String { message }
}
