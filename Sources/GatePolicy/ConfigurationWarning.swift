// What a document says that is legal, but hardly meant. Collected by GatewayDocument.parse; shown by whoever asked for the parse.

/// Something in an accepted document that its author should look at.
///
/// Source: ours.
public struct ConfigurationWarning: Sendable, Equatable, CustomStringConvertible {
  /// The first byte of what is doubtful.
  public var location: SourceLocation
  /// What is doubtful, and after a comma what was expected. One line, printable ASCII.
  public var message: String

  /// A warning at `location`.
  public init(location: SourceLocation, message: String) {
    self.location = location
    self.message = message
  }

  /// `file:line:column: warning: message`.
  public var description: String { "\(location): warning: \(message)" }
}
