// How the value of each key of a rule is read. Called by RuleParser.parse, with the reader before the value.

extension RuleParser {
  /// The words that a direction pattern is matched against.
  private static let words = (outgoing: Array("outgoing".utf8), incoming: Array("incoming".utf8))

  /// The directions that the pattern meets; nil if it is none or meets neither, in the classic dialect.
  mutating func directions(from reader: inout JSONReader) throws(ConfigurationError) -> (outgoing: Bool, incoming: Bool)? {
    let expected = "\"outgoing\", \"incoming\" or \"*\""
    guard let pattern = try classicText(of: .direction, expected: expected, from: &reader) else { return nil }
    if pattern.text == RuleParser.words.outgoing { return (true, false) }
    if pattern.text == RuleParser.words.incoming { return (false, true) }
    let glob = Glob(pattern.text)
    let meets = (
      outgoing: glob.matches(RuleParser.words.outgoing), incoming: glob.matches(RuleParser.words.incoming)
    )
    if !meets.outgoing, !meets.incoming {
      try reject(at: pattern.location, "direction \(quoted(pattern.text)) meets neither word, expected \(expected)")
      return nil
    }
    return meets
  }

  /// One pattern; nil if it is none, in the classic dialect.
  mutating func pattern(of key: RuleKey, from reader: inout JSONReader) throws(ConfigurationError) -> Glob? {
    guard let pattern = try classicText(of: key, expected: "a pattern", from: &reader) else { return nil }
    if pattern.text.isEmpty {
      warn(at: pattern.location, "\"\(key.rawValue)\" is \"\" and matches nothing, expected a pattern")
    }
    return Glob(pattern.text)
  }

  /// One pattern or an array of them; nil if it is neither, in the classic dialect.
  mutating func patterns(of key: RuleKey, from reader: inout JSONReader) throws(ConfigurationError) -> [Glob]? {
    guard try reader.peek() == .array else { return try pattern(of: key, from: &reader).map { [$0] } }
    let start = reader.location
    var globs: [Glob] = []
    var isComplete = true
    try reader.open()
    while try reader.nextElement() {
      if let glob = try pattern(of: key, from: &reader) { globs.append(glob) } else { isComplete = false }
    }
    if globs.isEmpty, isComplete {
      warn(at: start, "\"\(key.rawValue)\" is an empty array and matches nothing, expected at least one pattern")
    }
    return isComplete ? globs : nil
  }

  /// The message types named by a string or an array of strings.
  mutating func messageTypes(from reader: inout JSONReader) throws(ConfigurationError) -> (methodCalls: Bool, signals: Bool) {
    var types = (methodCalls: false, signals: false)
    guard try reader.peek() == .array else {
      try messageType(from: &reader, into: &types)
      return types
    }
    let start = reader.location
    try reader.open()
    while try reader.nextElement() { try messageType(from: &reader, into: &types) }
    if !types.methodCalls, !types.signals {
      let message = "\"type\" is an empty array, expected \"method_call\", \"signal\" or an array of both"
      throw ConfigurationError(location: start, message: message)
    }
    return types
  }

  private mutating func messageType(
    from reader: inout JSONReader, into types: inout (methodCalls: Bool, signals: Bool)
  ) throws(ConfigurationError) {
    switch try word(of: .type, expected: "\"method_call\" or \"signal\"", among: ["method_call", "signal"], from: &reader) {
    case 0: types.methodCalls = true
    default: types.signals = true
    }
  }

  /// The names that the rule is about.
  mutating func namePattern(from reader: inout JSONReader) throws(ConfigurationError) -> NamePattern {
    let expected = "a well-known name, a subtree like \"org.foo.*\" or a glob"
    let pattern = try text(of: .name, expected: expected, from: &reader)
    do throws(NamePatternError) {
      return try NamePattern(pattern.text)
    } catch {
      throw ConfigurationError(location: pattern.location, message: "\"name\" is \(quoted(pattern.text)), \(error)")
    }
  }

  /// What the rule does.
  mutating func ruleAction(from reader: inout JSONReader) throws(ConfigurationError) -> GatewayRule.Action {
    try word(of: .action, expected: "\"allow\" or \"deny\"", among: ["allow", "deny"], from: &reader) == 0 ? .allow : .deny
  }

  /// A whole number of descriptors.
  mutating func descriptorCount(from reader: inout JSONReader) throws(ConfigurationError) -> Int {
    let expected = "a whole number from \(GatewayRule.descriptorBounds.lowerBound) to \(GatewayRule.descriptorBounds.upperBound)"
    let kind = try reader.peek()
    let start = reader.location
    if kind != .number { throw wrongType(of: .maxFDs, kind, at: start, expected: expected) }
    let digits = String(decoding: try reader.number(), as: UTF8.self)
    guard let count = Int(digits), digits.first != "-", GatewayRule.descriptorBounds.contains(count) else {
      throw ConfigurationError(location: start, message: "\"max-fds\" is out of range, expected \(expected)")
    }
    return count
  }

  /// `true` or `false`.
  mutating func flag(of key: RuleKey, from reader: inout JSONReader) throws(ConfigurationError) -> Bool {
    let kind = try reader.peek()
    if kind != .boolean { throw wrongType(of: key, kind, at: reader.location, expected: "true or false") }
    return try reader.boolean()
  }

  /// A string, its bytes and where it begins.
  mutating func text(
    of key: RuleKey, expected: String, from reader: inout JSONReader
  ) throws(ConfigurationError) -> (text: [UInt8], location: SourceLocation) {
    let kind = try reader.peek()
    let start = reader.location
    if kind != .string { throw wrongType(of: key, kind, at: start, expected: expected) }
    return (try reader.string(), start)
  }

  /// A string of a classic key; nil if it is none, in the classic dialect.
  private mutating func classicText(
    of key: RuleKey, expected: String, from reader: inout JSONReader
  ) throws(ConfigurationError) -> (text: [UInt8], location: SourceLocation)? {
    let kind = try reader.peek()
    if kind == .string { return try text(of: key, expected: expected, from: &reader) }
    let error = wrongType(of: key, kind, at: reader.location, expected: expected)
    try reject(at: error.location, error.message)
    try reader.skipValue()
    return nil
  }

  /// The index of the word that comes next in `words`.
  private mutating func word(
    of key: RuleKey, expected: String, among words: [String], from reader: inout JSONReader
  ) throws(ConfigurationError) -> Int {
    let word = try text(of: key, expected: expected, from: &reader)
    guard let index = words.firstIndex(where: { word.text.elementsEqual($0.utf8) }) else {
      let message = "\"\(key.rawValue)\" is \(quoted(word.text)), expected \(expected)"
      throw ConfigurationError(location: word.location, message: message)
    }
    return index
  }

  private func wrongType(
    of key: RuleKey, _ kind: JSONKind, at location: SourceLocation, expected: String
  ) -> ConfigurationError {
    ConfigurationError(location: location, message: "\"\(key.rawValue)\" is \(kind.rawValue), expected \(expected)")
  }
}
