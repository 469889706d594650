// One rule of a gateway document: its keys, and what is made of them when they are missing or wrong. Called by DocumentParser,
// once per rule. How each value is read is in RuleParser+Values.swift.

/// Reads one rule.
struct RuleParser {
  let dialect: GatewayDocument.Dialect
  let location: SourceLocation
  /// What looks like a mistake in this rule.
  var warnings: [ConfigurationWarning] = []
  /// The first thing that makes the rule inert, in the classic dialect.
  var incompleteness: ConfigurationError?

  private var seen: Set<RuleKey> = []
  private var direction: (outgoing: Bool, incoming: Bool)?
  private var interface: Glob?
  private var objectPath: Glob?
  private var methods: [Glob]?
  private var types = (methodCalls: true, signals: true)
  private var action = GatewayRule.Action.allow
  private var maxFDs: Int?
  private var log: Bool?
  private var name: NamePattern?

  /// A parser of the rule whose opening brace stands at `location`.
  init(at location: SourceLocation, dialect: GatewayDocument.Dialect) {
    self.location = location
    self.dialect = dialect
  }

  /// Reads the rule that comes next. Precondition: an object was peeked at.
  mutating func parse(from reader: inout JSONReader) throws(ConfigurationError) -> GatewayRule {
    try reader.open()
    while let key = try reader.nextKey() {
      if let known = RuleKey(rawValue: String(decoding: key.text, as: UTF8.self)) {
        seen.insert(known)
        try parseValue(of: known, from: &reader)
      } else {
        try refuseOrSkip(key.text, at: key.location, in: &reader)
      }
    }
    for key in RuleKey.classic where !seen.contains(key) {
      try reject(at: location, "rule has no \"\(key.rawValue)\", expected the four keys \(RuleKey.classicNames)")
    }
    return try finished()
  }

  private mutating func parseValue(of key: RuleKey, from reader: inout JSONReader) throws(ConfigurationError) {
    switch key {
    case .direction: direction = try directions(from: &reader)
    case .interface: interface = try pattern(of: key, from: &reader)
    case .objectPath: objectPath = try pattern(of: key, from: &reader)
    case .method: methods = try patterns(of: key, from: &reader)
    case .type: types = try messageTypes(from: &reader)
    case .action: action = try ruleAction(from: &reader)
    case .name: name = try namePattern(from: &reader)
    case .maxFDs: maxFDs = try descriptorCount(from: &reader)
    case .log: log = try flag(of: key, from: &reader)
    case .comment: _ = try text(of: key, expected: "a string", from: &reader)
    }
  }

  /// Deals with a key that no rule has.
  private mutating func refuseOrSkip(
    _ key: [UInt8], at location: SourceLocation, in reader: inout JSONReader
  ) throws(ConfigurationError) {
    let known = RuleKey.allCases.map(\.rawValue)
    if RuleKey.isUnsupported(key) {
      let message = "key \(quoted(key)) is not supported in this version, expected one of \(RuleKey.names)"
      throw ConfigurationError(location: location, message: message)
    }
    let expected = nearest(to: key, among: known).map { "\"\($0)\"" } ?? "one of \(RuleKey.names)"
    switch dialect {
    case .native:
      throw ConfigurationError(location: location, message: "unknown key \(quoted(key)), expected \(expected)")
    case .classic:
      warn(at: location, "unknown key \(quoted(key)) is ignored, expected \(expected)")
      try reader.skipValue()
    }
  }

  /// The rule, once all of it is read; in the classic dialect an inert one if it was incomplete.
  private mutating func finished() throws(ConfigurationError) -> GatewayRule {
    if let direction, let interface, let objectPath, let methods, incompleteness == nil {
      return GatewayRule(
        outgoing: direction.outgoing, incoming: direction.incoming, interface: interface, objectPath: objectPath,
        methods: methods, methodCalls: types.methodCalls, signals: types.signals, maxFDs: maxFDs, action: action, log: log,
        location: location, name: name)
    }
    guard let incompleteness else { preconditionFailure("a rule is either complete or has been rejected") }
    switch action {
    case .allow:
      warn(at: incompleteness.location, "\(incompleteness.message); the rule allows nothing")
      return GatewayRule(inertAt: location)
    case .deny:
      // What its author meant to stop must not pass because of a slip.
      throw incompleteness
    }
  }

  /// A classic key is missing or wrongly typed: an error, but in the classic dialect only a reason for the rule to be inert.
  mutating func reject(at location: SourceLocation, _ message: String) throws(ConfigurationError) {
    let error = ConfigurationError(location: location, message: message)
    switch dialect {
    case .native: throw error
    case .classic: if incompleteness == nil { incompleteness = error }
    }
  }

  /// Notes what looks like a mistake.
  mutating func warn(at location: SourceLocation, _ message: String) {
    warnings.append(ConfigurationWarning(location: location, message: message))
  }
}
