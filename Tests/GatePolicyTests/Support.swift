// What the tests of this folder share: short ways to write documents, rules and messages, and a generator that repeats itself.

@testable import GatePolicy

/// How messages list all keys of a rule.
let keys =
  "one of \"direction\", \"interface\", \"object-path\", \"method\", \"type\", \"action\", \"name\", \"max-fds\", \"log\", \"comment\""

/// How messages list the keys that every rule has.
let classicKeys = "the four keys \"direction\", \"interface\", \"object-path\", \"method\""

/// The document that `text` spells, under the name `a.json`.
func parse(_ text: String, _ dialect: GatewayDocument.Dialect = .native) throws(ConfigurationError) -> GatewayDocument {
  try GatewayDocument.parse(Array(text.utf8), file: "a.json", dialect: dialect)
}

/// The description of the error that `text` is refused with, or nil if it is accepted.
func refusal(of text: [UInt8], _ dialect: GatewayDocument.Dialect = .native) -> String? {
  do throws(ConfigurationError) {
    _ = try GatewayDocument.parse(text, file: "a.json", dialect: dialect)
    return nil
  } catch {
    return error.description
  }
}

/// The description of the error that `text` is refused with, or nil if it is accepted.
func refusal(of text: String, _ dialect: GatewayDocument.Dialect = .native) -> String? { refusal(of: Array(text.utf8), dialect) }

/// A document whose only session rule is `rule`, which begins in column 33 of line 1.
func sessionDocument(_ rule: String) -> String { "{\"dbus-gateway-config-session\":[\(rule)]}" }

/// A complete rule with `more` after the classic keys.
func completeRule(_ more: String = "") -> String {
  "{\"direction\":\"*\",\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"\(more)}"
}

/// A rule, all of whose patterns match everything unless said otherwise.
func rule(
  outgoing: Bool = true, incoming: Bool = false, interface: String = "*", path: String = "*", methods: [String] = ["*"],
  methodCalls: Bool = true, signals: Bool = true, maxFDs: Int? = nil, action: GatewayRule.Action = .allow, log: Bool? = nil,
  name: String? = nil
) -> GatewayRule {
  GatewayRule(
    outgoing: outgoing, incoming: incoming, interface: Glob(Array(interface.utf8)), objectPath: Glob(Array(path.utf8)),
    methods: methods.map { Glob(Array($0.utf8)) }, methodCalls: methodCalls, signals: signals, maxFDs: maxFDs, action: action,
    log: log, location: SourceLocation(file: "rules.json", line: 1, column: 1),
    name: name.map { try! NamePattern(Array($0.utf8)) })
}

/// What the rules are asked about.
struct Message {
  var direction = Direction.outgoing
  var isSignal = false
  var interface = "org.example.Door"
  var path = "/org/example/door"
  var member = "Open"
  var descriptors = 0
}

extension Policy {
  /// The three questions that can be asked.
  enum Question: CaseIterable {
    case match
    case matchDeny
    case matchLiteral
  }

  /// A policy of `rules`.
  convenience init(_ rules: GatewayRule...) { self.init(rules: rules, busName: "SESSION") }

  /// The answer to `question` about `message`.
  func answer(_ question: Question = .match, _ message: Message) -> RuleMatch {
    let (interface, path, member) = (Array(message.interface.utf8), Array(message.path.utf8), Array(message.member.utf8))
    let (i, p, m) = (interface.span.bytes, path.span.bytes, member.span.bytes)
    let query = RuleQuery(
      direction: message.direction, isSignal: message.isSignal, interface: i, path: p, member: m, descriptors: message.descriptors
    )
    switch question {
    case .match: return match(query)
    case .matchDeny: return matchDeny(query)
    case .matchLiteral: return matchLiteral(query)
    }
  }
}

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
