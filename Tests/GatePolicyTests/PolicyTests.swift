import Testing

@testable import GatePolicy

@Suite("a policy")
struct PolicyTests {
  /// The outcome of a policy of `rules` for `message`.
  private func outcome(_ rules: [GatewayRule], _ message: Message) -> RuleMatch.Outcome {
    Policy(rules: rules, busName: "SESSION").answer(.match, message).outcome
  }

  @Test("without rules says nothing to anything")
  func empty() {
    for question in Policy.Question.allCases {
      #expect(Policy().answer(question, Message()) == RuleMatch(outcome: .none, rule: -1, log: nil))
    }
  }

  @Test(
    "matches a message by all that a rule names, and by nothing less",
    arguments: [
      (rule(interface: "org.example.Door"), true), (rule(interface: "org.example.Doo"), false),
      (rule(interface: "org.example.Doors"), false), (rule(interface: "org.example.*"), true),
      (rule(interface: "*.Door"), true), (rule(interface: "*.Window"), false), (rule(interface: "org.example.D??r"), true),
      (rule(interface: "**"), true), (rule(interface: ""), false), (rule(path: "/org/example/door"), true),
      (rule(path: "/org/example/Door"), false), (rule(path: "/org/*"), true), (rule(path: "/com/*"), false),
      (rule(path: "*door"), true), (rule(path: ""), false), (rule(methods: ["Open"]), true), (rule(methods: ["Close"]), false),
      (rule(methods: ["Close", "Op*"]), true), (rule(methods: ["", "Close"]), false), (rule(methods: []), false),
      (rule(methods: [""]), false), (rule(outgoing: false, incoming: true), false), (rule(incoming: true), true),
      (rule(outgoing: false), false), (rule(signals: false), true), (rule(methodCalls: false), false),
      (rule(maxFDs: 0), true),
    ])
  func rules(allow: GatewayRule, matches: Bool) {
    #expect(outcome([allow], Message()) == (matches ? .allow : .none))
    // The deny twin, under a rule that allows everything. What `max-fds` bounds, a deny rule stops only beyond it.
    if allow.maxFDs == nil { #expect(outcome([rule(), denying(allow)], Message()) == (matches ? .deny : .allow)) }
  }

  @Test("tells METHOD_CALL from SIGNAL and outgoing from incoming")
  func kinds() {
    let (call, signal) = (rule(signals: false), rule(methodCalls: false))
    #expect(outcome([call], Message()) == .allow && outcome([call], Message(isSignal: true)) == .none)
    #expect(outcome([signal], Message()) == .none && outcome([signal], Message(isSignal: true)) == .allow)
    #expect(outcome([rule(), denying(signal)], Message()) == .allow)
    #expect(outcome([rule(), denying(signal)], Message(isSignal: true)) == .deny)
    let incoming = rule(outgoing: false, incoming: true)
    #expect(outcome([incoming], Message(direction: .incoming)) == .allow && outcome([incoming], Message()) == .none)
    #expect(outcome([rule(incoming: true), denying(incoming)], Message(direction: .incoming)) == .deny)
    #expect(outcome([rule(incoming: true), denying(incoming)], Message()) == .allow)
  }

  @Test("lets a call without interface pass by `*` only, and stops it by whatever a deny rule names (CVE-2008-0595)")
  func noInterface() {
    let message = Message(interface: "")
    for interface in ["org.example.Door", "org.*", "**", "*?", "?*", ""] {
      #expect(outcome([rule(interface: interface)], message) == .none, "\(interface)")
      #expect(outcome([rule(), denying(rule(interface: interface))], message) == .deny, "\(interface)")
      #expect(outcome([rule(), denying(rule(interface: interface, methods: ["Close"]))], message) == .allow, "\(interface)")
      #expect(outcome([rule(), denying(rule(interface: interface, path: "/"))], message) == .allow, "\(interface)")
    }
    #expect(outcome([rule()], message) == .allow)
    #expect(outcome([rule(methods: ["Close"])], message) == .none)
    #expect(Policy(rule()).answer(.matchLiteral, message).outcome == .none)
    #expect(Policy(rule(interface: "org.example.Door", methods: ["Open"])).answer(.matchLiteral, message).outcome == .none)
  }

  @Test("takes an empty pattern for one that matches nothing, even where there is nothing")
  func emptyPatterns() {
    for action in [GatewayRule.Action.allow, .deny] {
      #expect(Policy(rule(path: "", action: action)).answer(.match, Message(path: "")) == .none)
      #expect(Policy(rule(methods: [""], action: action)).answer(.match, Message(member: "")) == .none)
    }
    #expect(Policy(rule(interface: "")).answer(.match, Message(interface: "")) == .none)
    #expect(Policy(rule(interface: "", methods: ["Open"])).answer(.matchLiteral, Message(interface: "")) == .none)
  }

  @Test("lets deny win over every allow, whatever the order, and reports the first rule that decides")
  func denyWins() {
    let exact = rule(interface: "org.example.Door", path: "/org/example/door", methods: ["Open"])
    let denials = [denying(exact), denying(rule(interface: "org.example.*")), denying(rule())]
    for deny in denials {
      #expect(Policy(deny, exact, rule()).answer(.match, Message()).rule == 0)
      #expect(Policy(exact, rule(), deny).answer(.match, Message()) == RuleMatch(outcome: .deny, rule: 2, log: nil))
      #expect(Policy(exact, deny).answer(.matchLiteral, Message()).outcome == .deny)
      #expect(Policy(exact, deny).answer(.matchDeny, Message()).outcome == .deny)
    }
    #expect(Policy(exact, rule()).answer(.matchDeny, Message()) == .none)
    // Exact, `*` and glob are found in different places; the first by index is reported all the same.
    let three = [exact, rule(), rule(interface: "org.*")]
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
      let rules = [rule(methods: ["Close"])] + order.map { three[$0] }
      #expect(Policy(rules: rules, busName: "").answer(.match, Message()).rule == 1)
      #expect(Policy(rules: rules.map(denying), busName: "").answer(.match, Message()).rule == 1)
    }
  }

  @Test("takes max-fds for the most that an allow rule lets pass, and for what a deny rule stops beyond")
  func descriptors() {
    for (bound, count, passes) in [(0, 0, true), (0, 1, false), (3, 3, true), (3, 4, false), (253, 253, true), (253, 254, false)]
    {
      let message = Message(descriptors: count)
      #expect(outcome([rule(maxFDs: bound)], message) == (passes ? .allow : .none))
      #expect(outcome([rule(), rule(maxFDs: bound, action: .deny)], message) == (passes ? .allow : .deny))
      #expect(outcome([rule()], message) == .allow)
      #expect(outcome([rule(), rule(action: .deny)], message) == .deny)
    }
  }

  @Test(
    "asked for a literal rule takes none with a wildcard in interface or member",
    arguments: [
      (rule(interface: "org.example.Door", methods: ["Open"]), true),
      (rule(interface: "org.example.Door", path: "/org/*", methods: ["Open"]), true),
      (rule(interface: "org.example.Door", methods: ["O*", "Open"]), true), (rule(methods: ["Open"]), false),
      (rule(interface: "org.example.Doo?", methods: ["Open"]), false), (rule(interface: "org.example.Door"), false),
      (rule(interface: "org.example.Door", methods: ["Ope?"]), false),
      (rule(interface: "org.example.Door", methods: ["Open*"]), false),
      (rule(interface: "org.example.Door", path: "/", methods: ["Open"]), false),
      (rule(interface: "org.example.Door", methods: ["Close"]), false),
    ])
  func literal(allow: GatewayRule, matches: Bool) {
    #expect(Policy(allow).answer(.matchLiteral, Message()).outcome == (matches ? .allow : .none))
    #expect(Policy(rule(), allow).answer(.matchLiteral, Message()).rule == (matches ? 1 : -1))
    #expect(
      Policy(rule(interface: "org.example.Door", methods: ["Open"]), denying(rule())).answer(.matchLiteral, Message()).rule == 1)
  }

  @Test("hands out what the deciding rule says about logging")
  func log() {
    for log in [nil, false, true] {
      #expect(Policy(rule(log: log)).answer(.match, Message()).log == log)
      #expect(Policy(rule(), rule(action: .deny, log: log)).answer(.match, Message()).log == log)
    }
  }

  @Test("compares names of every length to the last byte")
  func lengths() {
    for count in 1...40 {
      let name = String(repeating: "a", count: count)
      let policy = Policy(rule(interface: name, path: name, methods: [name]))
      #expect(policy.answer(.match, Message(interface: name, path: name, member: name)).outcome == .allow)
      for i in 0..<count {
        var changed = Array(name.utf8)
        changed[i] = UInt8(ascii: "b")
        let other = String(decoding: changed, as: UTF8.self)
        #expect(policy.answer(.match, Message(interface: other, path: name, member: name)).outcome == .none)
        #expect(policy.answer(.match, Message(interface: name, path: other, member: name)).outcome == .none)
        #expect(policy.answer(.match, Message(interface: name, path: name, member: other)).outcome == .none)
      }
      #expect(policy.answer(.match, Message(interface: name + "a", path: name, member: name)).outcome == .none)
      #expect(policy.answer(.match, Message(interface: String(name.dropLast()), path: name, member: name)).outcome == .none)
    }
  }

  @Test("knows its rules and the name of its bus")
  func properties() {
    let policy = Policy(rules: [rule(), rule(methods: ["A"])], busName: "SYSTEM")
    #expect(policy.rules.count == 2 && policy.busName == "SYSTEM")
  }

  /// The deny twin of `rule`.
  private func denying(_ rule: GatewayRule) -> GatewayRule {
    GatewayRule(
      outgoing: rule.outgoing, incoming: rule.incoming, interface: rule.interface, objectPath: rule.objectPath,
      methods: rule.methods, methodCalls: rule.methodCalls, signals: rule.signals, maxFDs: rule.maxFDs, action: .deny,
      log: rule.log, location: rule.location)
  }
}
