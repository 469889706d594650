// A gateway document: the rules for the two buses, as an operator or an agent wrote them. Parsed from bytes; reading files is the
// caller's. Rules of several documents are put together by the caller, in its order, and compiled by Policy.

/// The rules of one document, which may be an array of documents.
///
/// Source: configs/README.md, "The language, in ten minutes".
public struct GatewayDocument: Sendable {
  /// How strictly rules are read.
  public enum Dialect: Sendable {
    /// Whatever is not understood refuses the document.
    case native
    /// As Pelagicore's dbus-proxy: an allow rule with a missing or wrongly typed classic key matches nothing, and an unknown key
    /// in a rule is passed over, each with a warning. All else is as in `native`.
    case classic
  }

  /// Rules for the session bus, in order of the document.
  public var sessionRules: [GatewayRule]
  /// Rules for the system bus, in order of the document.
  public var systemRules: [GatewayRule]
  /// Whether the session bus has an array, be it an empty one. One that is missing closes the bus too, and is more often a mistake.
  public var hasSessionArray = false
  /// The same of the system bus.
  public var hasSystemArray = false
  /// The names that are open, on either bus; nil if the document says nothing about names.
  public var names: NameRules?
  /// What was accepted, but looks like a mistake, in order of the document.
  public var warnings: [ConfigurationWarning]

  /// A document of these rules. Without any it closes both buses.
  public init(
    sessionRules: [GatewayRule] = [], systemRules: [GatewayRule] = [], names: NameRules? = nil,
    warnings: [ConfigurationWarning] = []
  ) {
    self.sessionRules = sessionRules
    self.systemRules = systemRules
    self.names = names
    self.warnings = warnings
  }

  /// The document that `text` spells: exactly one JSON value, an object or an array of objects whose rules are put together.
  ///
  /// Reads no file and keeps nothing of `text`. Takes linear time.
  /// - Parameters:
  ///   - text: the document, UTF-8, at most 16 MiB.
  ///   - file: its name, for the locations.
  ///   - dialect: how strictly rules are read.
  ///   - firstLine: the line of `file` on which `text` begins, counted from 1: for documents that come as lines of a stream.
  /// - Throws: the first thing that is wrong, in order of the document. Nothing of the document may then be used.
  public static func parse(
    _ text: [UInt8], file: String, dialect: Dialect = .native, firstLine: Int = 1
  ) throws(ConfigurationError) -> GatewayDocument {
    precondition(firstLine >= 1, "lines are counted from 1")
    var parser = DocumentParser(reader: try JSONReader(text, file: file, firstLine: firstLine), dialect: dialect)
    try parser.parse()
    return parser.document
  }
}
