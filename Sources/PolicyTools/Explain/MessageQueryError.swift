// Why there is no explanation of a message.

/// Why a query has no answer.
public struct MessageQueryError: Error, Sendable, CustomStringConvertible {
  /// What is wrong.
  public let description: String

  /// An error that `description` tells.
  public init(description: String) { self.description = description }
}
