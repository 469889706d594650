// What a check found: an error of the parser, a warning of the parser, or a lint. The tool shows it; nothing here prints.

import GatePolicy

/// Something that the author of a policy should look at.
public struct Finding: Sendable, Equatable, CustomStringConvertible {
  /// How grave it is.
  public enum Severity: String, Sendable {
    /// The sidecar refuses the document.
    case error
    /// The sidecar accepts it, and it is hardly meant.
    case warning
  }

  /// How grave it is.
  public let severity: Severity
  /// The word for this sort of finding: `syntax`, `document`, or a lint's.
  public let id: String
  /// The first byte of what is meant.
  public let location: SourceLocation
  /// What is wrong, and after a comma what was expected. One line.
  public let message: String

  /// A lint's finding.
  init(_ lint: Lint, at location: SourceLocation, _ message: String) {
    severity = .warning
    id = lint.rawValue
    self.location = location
    self.message = message
  }

  /// What the parser refused.
  public init(_ error: ConfigurationError) {
    severity = .error
    id = "syntax"
    location = error.location
    message = error.message
  }

  /// What the parser wondered at.
  public init(_ warning: ConfigurationWarning) {
    severity = .warning
    id = "document"
    location = warning.location
    message = warning.message
  }

  /// `file:line:column: severity: message [id]`.
  public var description: String { "\(location): \(severity.rawValue): \(message) [\(id)]" }
}
