// A line that is none of the log's. Collected by DecisionLogReader.

/// A line that could not be read, and why.
public struct UnreadableLine: Sendable, Equatable, CustomStringConvertible {
  /// The file's name.
  public let file: String
  /// Its line, the first being 1.
  public let line: Int
  /// The first byte of what is wrong, the first of the line being 1.
  public let column: Int
  /// What is wrong, and after a comma what was expected.
  public let message: String

  /// `file:line:column: error: message`.
  public var description: String { "\(file):\(line):\(column): error: \(message)" }
}
