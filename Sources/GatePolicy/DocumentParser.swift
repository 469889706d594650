// The outer part of a gateway document: the array of documents, their top-level keys, the arrays of rules. What a rule says is
// RuleParser's. Called by GatewayDocument.parse.

/// Reads documents into one.
struct DocumentParser {
  /// A top-level key. The raw value is how it is written.
  private enum Key: String, CaseIterable {
    case session = "dbus-gateway-config-session"
    case system = "dbus-gateway-config-system"
    case busgate
    /// Where editors find the schema of the document. Says nothing to a gate.
    case schema = "$schema"
  }

  private var reader: JSONReader
  private let dialect: GatewayDocument.Dialect
  /// What has been read so far.
  private(set) var document = GatewayDocument()

  /// A parser of what `reader` has.
  init(reader: JSONReader, dialect: GatewayDocument.Dialect) {
    self.reader = reader
    self.dialect = dialect
  }

  /// Reads one document, or an array of them, to the end.
  mutating func parse() throws(ConfigurationError) {
    try parseDocuments()
    try reader.end()
  }

  /// Reads one document, or an array of them, which need not be all there is.
  mutating func parseDocuments() throws(ConfigurationError) {
    let expected = "an object or an array of objects"
    let kind = try reader.peek(expected: expected)
    switch kind {
    case .object:
      try parseObject()
    case .array:
      try reader.open()
      while try reader.nextElement() {
        let kind = try reader.peek()
        if kind != .object {
          throw reader.error(at: reader.offset, "\(kind.rawValue) in an array of documents, expected an object")
        }
        try parseObject()
      }
    case .string, .number, .boolean, .null:
      throw reader.error(at: reader.offset, "document is \(kind.rawValue), expected \(expected)")
    }
  }

  private mutating func parseObject() throws(ConfigurationError) {
    try reader.open()
    while let key = try reader.nextKey() {
      switch Key(rawValue: String(decoding: key.text, as: UTF8.self)) {
      case .session:
        document.hasSessionArray = true
        document.sessionRules += try parseRules(of: .session)
      case .system:
        document.hasSystemArray = true
        document.systemRules += try parseRules(of: .system)
      case .busgate:
        try parseSettings()
      case .schema:
        try reader.skipValue()
      case nil:
        let meant = nearest(to: key.text, among: Key.allCases.map(\.rawValue)).map { "\"\($0)\"" }
        let expected = meant ?? "\"\(Key.session.rawValue)\" or \"\(Key.system.rawValue)\""
        let message = "unknown key \(quoted(key.text)) is ignored, expected \(expected)"
        document.warnings.append(ConfigurationWarning(location: key.location, message: message))
        try reader.skipValue()
      }
    }
  }

  // MARK: What is ours

  /// A key of the object `busgate`. The raw value is how it is written.
  private enum Setting: String, CaseIterable {
    case names
    case limits
    case allowedUIDs = "allow-uids"
  }

  private mutating func parseSettings() throws(ConfigurationError) {
    try openObject("busgate")
    while let key = try reader.nextKey() {
      switch Setting(rawValue: String(decoding: key.text, as: UTF8.self)) {
      case .names: try parseNames()
      case .limits, .allowedUIDs:
        throw ConfigurationError(
          location: key.location, message: "key \(quoted(key.text)) is not supported in this version, expected \"names\"")
      case nil:
        let meant = nearest(to: key.text, among: Setting.allCases.map(\.rawValue)) ?? Setting.names.rawValue
        throw ConfigurationError(location: key.location, message: "unknown key \(quoted(key.text)), expected \"\(meant)\"")
      }
    }
  }

  private mutating func parseNames() throws(ConfigurationError) {
    try openObject("names")
    var names = document.names ?? NameRules()
    while let key = try reader.nextKey() {
      let level: NameLevel
      switch String(decoding: key.text, as: UTF8.self) {
      case "see": level = .see
      case "talk": level = .talk
      case "own": level = .own
      default:
        let message = "unknown key \(quoted(key.text)), expected \"own\", \"talk\" or \"see\""
        throw ConfigurationError(location: key.location, message: message)
      }
      try parsePatterns(of: key.text, level, into: &names)
    }
    document.names = names
  }

  private mutating func parsePatterns(
    of key: [UInt8], _ level: NameLevel, into names: inout NameRules
  ) throws(ConfigurationError) {
    let kind = try reader.peek()
    if kind != .array {
      throw reader.error(at: reader.offset, "\(quoted(key)) is \(kind.rawValue), expected an array of names")
    }
    try reader.open()
    while try reader.nextElement() {
      let kind = try reader.peek()
      let location = reader.location
      if kind != .string { throw reader.error(at: reader.offset, "name is \(kind.rawValue), expected a string") }
      let text = try reader.string()
      do throws(NamePatternError) {
        names.allow(level, try NamePattern(text), at: location)
      } catch {
        throw ConfigurationError(location: location, message: "name is \(quoted(text)), \(error)")
      }
    }
  }

  private mutating func openObject(_ name: String) throws(ConfigurationError) {
    let kind = try reader.peek()
    if kind != .object { throw reader.error(at: reader.offset, "\"\(name)\" is \(kind.rawValue), expected an object") }
    try reader.open()
  }

  private mutating func parseRules(of key: Key) throws(ConfigurationError) -> [GatewayRule] {
    let kind = try reader.peek()
    if kind != .array {
      throw reader.error(at: reader.offset, "\"\(key.rawValue)\" is \(kind.rawValue), expected an array of rules")
    }
    var rules: [GatewayRule] = []
    try reader.open()
    while try reader.nextElement() {
      let kind = try reader.peek()
      if kind != .object { throw reader.error(at: reader.offset, "rule is \(kind.rawValue), expected an object") }
      var parser = RuleParser(at: reader.location, dialect: dialect)
      rules.append(try parser.parse(from: &reader))
      document.warnings += parser.warnings
    }
    return rules
  }
}
