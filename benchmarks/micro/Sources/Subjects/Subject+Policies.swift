// Rules: reading them, compiling them, asking them. Nothing here remembers a verdict; that a session does.

import DBusWire
import GatePolicy

extension Subject {
  static var policies: [Subject] {
    [10, 1_000, 10_000].flatMap { count in
      [
        Subject("verdict of \(count) rules, not cached") { ask(Policy(rules: Rules.many(count), busName: "SESSION")) },
        Subject("compiling \(count) rules") { compile(Rules.many(count)) },
      ]
    } + [Subject("reading a document of 1000 rules") { read(Rules.document(1_000)) }]
  }

  /// The rule that matches is the last one, after literals and globs that do not.
  private static func ask(_ policy: Policy) -> () -> Void {
    let interface = Array(Message.service.utf8), path = Array(Message.servicePath.utf8), member = Array("Echo".utf8)
    return {
      let match = policy.match(
        RuleQuery(
          direction: .outgoing, isSignal: false, interface: interface.span.bytes, path: path.span.bytes,
          member: member.span.bytes,
          descriptors: 0))
      precondition(match.outcome == .allow, "the last rule matches")
    }
  }

  private static func compile(_ rules: [GatewayRule]) -> () -> Void {
    return { precondition(Policy(rules: rules, busName: "SESSION").rules.count == rules.count, "every rule keeps its index") }
  }

  private static func read(_ document: [UInt8]) -> () -> Void {
    return {
      do {
        let rules = try GatewayDocument.parse(document, file: "rules.json").sessionRules
        precondition(rules.count == 1_000, "every rule is read")
      } catch {
        fatalError("\(error)")
      }
    }
  }
}
