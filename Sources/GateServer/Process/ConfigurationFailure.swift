// Why configurations were refused.

/// Why configurations were refused: already lines for people, each with file, line and column where there is one.
public struct ConfigurationFailure: Error, CustomStringConvertible, Sendable {
  /// What is wrong, one line at least: the first thing of each file.
  public let lines: [String]

  /// The first line, and how many there are besides.
  public var description: String { lines.count == 1 ? lines[0] : "\(lines[0]) (and \(lines.count - 1) more)" }

  /// A failure that `description` tells.
  public init(description: String) { lines = [description] }

  /// Several of them. Precondition: one at least.
  public init(_ failures: [ConfigurationFailure]) {
    precondition(!failures.isEmpty, "a failure of nothing")
    lines = failures.flatMap(\.lines)
  }
}
