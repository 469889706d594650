// What the tests of this folder share: short ways to write documents, rules and patterns.

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

/// Patterns by text; they are right.
func pattern(_ text: String) -> NamePattern { try! NamePattern(Array(text.utf8)) }
