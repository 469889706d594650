// Gateway configurations, in both dialects, and the policies that are made of them: what the compiled rules say is what the rules say one
// by one. Input: a document.

import DBusWire
import GatePolicy

enum DocumentBody {
  static func run(_ input: [UInt8]) {
    var native: GatewayDocument?
    do throws(ConfigurationError) {
      let document = try GatewayDocument.parse(input, file: "fuzz.json")
      demand(document.sessionRules.allSatisfy { !$0.isInert }, "an incomplete rule passed")
      check(document.sessionRules)
      check(document.systemRules)
      if document.sessionRules.count < 64 { _ = Policy(rules: document.sessionRules, names: document.names, busName: "FUZZ") }
      native = document
    } catch {
      demand("\(error)".hasPrefix("fuzz.json:"), "an error without its place: \(error)")
    }
    do throws(ConfigurationError) {
      let classic = try GatewayDocument.parse(input, file: "fuzz.json", dialect: .classic, firstLine: 7)
      if let native {
        demand(
          native.sessionRules.count == classic.sessionRules.count && native.systemRules.count == classic.systemRules.count,
          "the classic dialect has other rules")
      }
    } catch {
      demand(native == nil, "the classic dialect refuses what the native one takes: \(error)")
    }
  }

  private static let interfaces = ["", "org.foo.Bar", "org.freedesktop.DBus", "a.b"]
  private static let members = ["Do", "Hello", "x"]
  private static let paths = ["/", "/foo", "/org/freedesktop/DBus"]

  private static func check(_ rules: [GatewayRule]) {
    if rules.isEmpty || rules.count > 64 { return }
    let policy = Policy(rules: rules, busName: "FUZZ")
    for interface in interfaces {
      for member in members {
        for path in paths {
          for direction in [Direction.outgoing, .incoming] {
            for fds in [0, 2] { compare(policy, direction, interface, member, path, fds) }
          }
        }
      }
    }
  }

  private static func compare(
    _ policy: Policy, _ direction: Direction, _ interface: String, _ member: String, _ path: String, _ fds: Int
  ) {
    let (i, m, p) = (Array(interface.utf8), Array(member.utf8), Array(path.utf8))
    let match = policy.match(
      RuleQuery(
        direction: direction, isSignal: false, interface: i.span.bytes, path: p.span.bytes, member: m.span.bytes, descriptors: fds
      ))
    func meets(_ rule: GatewayRule) -> Bool {
      if !(direction == .outgoing ? rule.outgoing : rule.incoming) || !rule.methodCalls { return false }
      let isDeny = rule.action == .deny
      if let most = rule.maxFDs, isDeny != (fds > most) { return false }
      let meetsInterface =
        interface.isEmpty
        ? isDeny || rule.interface.isEverything : !rule.interface.pattern.isEmpty && rule.interface.matches(i.span.bytes)
      return meetsInterface && !rule.objectPath.pattern.isEmpty && rule.objectPath.matches(p.span.bytes)
        && rule.methods.contains { !$0.pattern.isEmpty && $0.matches(m.span.bytes) }
    }
    let deny = policy.rules.firstIndex { $0.action == .deny && meets($0) }
    let allow = policy.rules.firstIndex { $0.action == .allow && meets($0) }
    let expected: RuleMatch.Outcome = deny != nil ? .deny : allow != nil ? .allow : .none
    demand(
      match.outcome == expected && Int(match.rule) == deny ?? allow ?? -1,
      "\(match) for \(interface).\(member) on \(path), expected \(expected)"
    )
  }
}
