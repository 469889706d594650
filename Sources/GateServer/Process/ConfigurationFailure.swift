// Why configurations were refused.

/// Why configurations were refused: already a line for people, with file, line and column where there is one.
public struct ConfigurationFailure: Error, CustomStringConvertible, Sendable {
  /// The line.
  public let description: String

  /// A failure that `description` tells.
  public init(description: String) { self.description = description }
}
