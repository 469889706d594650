// Why a command line, or an address, cannot be understood.

/// A command line, or a value on it, that cannot be understood.
public struct UsageError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What is wrong and what was expected.
  public let description: String

  /// A misuse described by `text`.
  public init(_ text: String) { description = text }
}
