// Why a document was refused. Thrown by GatewayDocument.parse, which refuses the whole document at the first error.

/// The first error of a document.
///
/// Source: ours.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The first byte of what is wrong.
  public var location: SourceLocation
  /// What is wrong, and after a comma what was expected. One line, printable ASCII.
  public var message: String

  /// An error at `location`.
  public init(location: SourceLocation, message: String) {
    self.location = location
    self.message = message
  }

  /// `file:line:column: error: message`.
  public var description: String { "\(location): error: \(message)" }
}
