// Which services may be started, by rules of every sort; and the inclusion of globs, which decides what a deny rule closes.

import Testing

@testable import GatePolicy

@Suite("which services may be started")
struct StartRulesTests {
  private func opens(_ name: String, _ rules: [GatewayRule], names: NameRules? = nil) -> Bool {
    Policy(rules: rules, names: names, busName: "X").matchStart(of: Array(name.utf8).span.bytes).outcome == .allow
  }

  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let rules: [GatewayRule]
    let open: [String]
    let closed: [String]
    init(_ text: String, _ rules: [GatewayRule], open: [String] = [], closed: [String] = []) {
      (testDescription, self.rules, self.open, self.closed) = (text, rules, open, closed)
    }
  }

  private static let door = rule(interface: "org.foo.Door", methods: ["Open"], name: "org.foo")

  static let cases: [Case] = [
    Case("no rule", [], closed: ["org.foo", ""]),
    Case("a rule for one name", [door], open: ["org.foo"], closed: ["org.foo.a", "org.fo", "org.fooo", "com.bar"]),
    Case("a rule for a subtree", [rule(name: "org.foo.*")], open: ["org.foo", "org.foo.a.b"], closed: ["org.fooa", "org"]),
    Case("a rule for a glob", [rule(name: "org.*.Player")], open: ["org.a.Player"], closed: ["org.a.Playe", "com.a.Player"]),
    Case("a rule without name", [rule(interface: "org.foo.Door", methods: ["Open"])], open: ["org.foo", "com.bar"]),
    Case("rules for both directions", [rule(incoming: true, name: "org.foo")], open: ["org.foo"]),
    Case("an incoming rule", [rule(outgoing: false, incoming: true, name: "org.foo")], closed: ["org.foo"]),
    Case("a rule for signals", [rule(methodCalls: false)], closed: ["org.foo"]),
    Case("a rule that names an interface of the bus", [rule(interface: "org.freedesktop.DBus")], closed: ["org.foo"]),
    Case(
      "a rule for an interface that only the bus has, and a name",
      [rule(interface: "org.freedesktop.DBus.Monitoring", name: "org.foo")], closed: ["org.foo"]),
    Case(
      "a rule for an interface that the bus has as well", [rule(interface: "org.freedesktop.DBus.Properties")],
      closed: ["org.foo"]),
    Case(
      "the same, where a name says who is meant", [rule(interface: "org.freedesktop.DBus.Properties", name: "org.foo")],
      open: ["org.foo"], closed: ["com.bar"]),
    Case(
      "a rule for an interface that only begins like one of the bus",
      [rule(interface: "org.freedesktop.DBus.ObjectManager", name: "org.foo")], open: ["org.foo"], closed: ["com.bar"]),
    Case("a rule for calls without descriptors", [rule(maxFDs: 0, name: "org.foo")], open: ["org.foo"]),
    Case(
      "rules that match no legal call",
      [
        rule(interface: "", name: "org.foo"), rule(path: "", name: "org.foo"), rule(methods: [""], name: "org.foo"),
        rule(interface: "foo", name: "org.foo"), rule(path: "foo", name: "org.foo"), rule(methods: ["a.b"], name: "org.foo"),
      ], closed: ["org.foo"]),
    Case("a deny rule for everything", [door, rule(action: .deny)], closed: ["org.foo"]),
    Case(
      "a deny rule for everything of that name", [rule(), rule(action: .deny, name: "org.foo")], open: ["com.bar"],
      closed: ["org.foo"]),
    Case(
      "a deny rule for a subtree", [rule(), rule(action: .deny, name: "org.foo.*")], open: ["com.bar", "org.fool"],
      closed: ["org.foo", "org.foo.a"]),
    Case(
      "a deny rule for part of a subtree", [rule(name: "org.foo.*"), rule(action: .deny, name: "org.foo.a")],
      open: ["org.foo", "org.foo.b"], closed: ["org.foo.a"]),
    Case("a deny rule for another name", [door, rule(action: .deny, name: "com.bar")], open: ["org.foo"]),
    Case(
      "a deny rule that is narrower in its methods", [rule(name: "org.foo"), rule(methods: ["Open"], action: .deny)],
      open: ["org.foo"]),
    Case("in its paths", [rule(name: "org.foo"), rule(path: "/a*", action: .deny)], open: ["org.foo"]),
    Case("in its interfaces", [rule(name: "org.foo"), rule(interface: "org.*", action: .deny)], open: ["org.foo"]),
    Case("one that is as wide", [door, rule(interface: "org.foo.D*", methods: ["Op?n"], action: .deny)], closed: ["org.foo"]),
    Case(
      "two that together are",
      [rule(methods: ["A", "B"], name: "org.foo"), rule(methods: ["A"], action: .deny), rule(methods: ["B"], action: .deny)],
      closed: ["org.foo"]),
    Case("a deny rule for what carries descriptors", [door, rule(maxFDs: 0, action: .deny)], open: ["org.foo"]),
    Case("a deny rule for signals", [door, rule(methodCalls: false, action: .deny)], open: ["org.foo"]),
    Case("an incoming deny rule", [door, rule(outgoing: false, incoming: true, action: .deny)], open: ["org.foo"]),
    Case(
      "another rule for the same name", [door, rule(methods: ["Shut"], name: "org.foo"), rule(methods: ["Open"], action: .deny)],
      open: ["org.foo"]),
    Case(
      "names that each rule closes for itself",
      [
        rule(methods: ["A"]), rule(methods: ["B"]), rule(methods: ["A"], action: .deny, name: "org.a"),
        rule(methods: ["B"], action: .deny, name: "org.b"), rule(action: .deny, name: "org.c"),
      ], open: ["org.a", "org.b", "org.d"], closed: ["org.c"]),
  ]

  @Test("those that some call may go to", arguments: cases)
  func rules(_ item: Case) {
    for name in item.open { #expect(opens(name, item.rules), "\(name)") }
    for name in item.closed { #expect(!opens(name, item.rules), "\(name)") }
    // Their order does not matter.
    for name in item.open { #expect(opens(name, item.rules.reversed()), "\(name)") }
    for name in item.closed { #expect(!opens(name, item.rules.reversed()), "\(name)") }
  }

  @Test("the rule that opens a name is told, with what it says of the log")
  func told() {
    let policy = Policy(rule(methodCalls: false), rule(log: true, name: "org.a"), rule(name: "org.b"))
    let answers = ["org.a", "org.b", "org.c"].map { policy.matchStart(of: Array($0.utf8).span.bytes) }
    #expect(answers.map(\.rule) == [1, 2, -1] && answers.map(\.log) == [true, nil, nil])
  }

  @Test("what names let the client talk to may be started, what they show may not")
  func names() {
    var names = NameRules()
    let place = SourceLocation(file: "a.json", line: 1, column: 1)
    for (level, text) in [(NameLevel.talk, "org.talk.*"), (.see, "org.see"), (.own, "org.own")] {
      names.allow(level, pattern(text), at: place)
    }
    for (name, isOpen) in [("org.talk.a", true), ("org.own", true), ("org.see", false), ("org.else", false)] {
      #expect(opens(name, [], names: names) == isOpen, "\(name)")
      #expect(names.talks(to: Array(name.utf8).span.bytes) == isOpen, "\(name)")
    }
  }

  @Test("ten thousand rules and half as many deny rules for names, each for itself and all together")
  func many() {
    let names = (0..<10_000).map { "org.n\($0).Name" }
    var rules = names.map { rule(interface: "\($0).Door", name: $0) }
    rules += names.enumerated().filter { $0.offset % 2 == 0 }.map { rule(action: .deny, name: $0.element) }
    let policy = Policy(rules: rules, busName: "X")
    for (number, name) in names.enumerated() {
      #expect((policy.matchStart(of: Array(name.utf8).span.bytes).outcome == .allow) == (number % 2 == 1))
    }
    // What no rule names is closed; with rules for every name, what no deny rule names is open.
    #expect(!opens("org.else", rules))
    rules += names.map { rule(interface: "\($0).Window") }
    #expect(opens("org.else", rules) && opens(names[1], rules) && !opens(names[2], rules))
  }

  // MARK: Globs

  private static let patterns: [String] = {
    var all = [""]
    for _ in 0..<4 { all += all.flatMap { start in ["a", "b", "*", "?"].map { start + $0 } } }
    return Array(Set(all)).sorted()
  }()

  @Test("a glob includes another only if every text of that is its own, and says so where no question mark is in the way")
  func inclusion() {
    var texts = [""]
    for _ in 0..<5 { texts += texts.flatMap { start in ["a", "b", "c"].map { start + $0 } } }
    let unique = Array(Set(texts)).sorted().map { Array($0.utf8) }
    let globs = Self.patterns.filter { !$0.isEmpty }.map { Glob(Array($0.utf8)) }
    let languages = globs.map { glob in unique.map { glob.matches($0) } }
    var found = 0, missed = 0
    for (outer, outerTexts) in zip(globs, languages) {
      for (inner, innerTexts) in zip(globs, languages) {
        let isTrue = !zip(outerTexts, innerTexts).contains { !$0 && $1 }
        let isSaid = outer.includes(inner)
        if isSaid && !isTrue { Issue.record("\(outer) does not include \(inner)") }
        let isPlain = !outer.pattern.contains(UInt8(ascii: "?")) || !inner.pattern.contains(UInt8(ascii: "*"))
        if isTrue && !isSaid && isPlain { Issue.record("\(outer) includes \(inner)") }
        found += isSaid ? 1 : 0
        missed += isTrue && !isSaid ? 1 : 0
      }
    }
    #expect(found > 1000 && missed < found / 2, "\(found) found, \(missed) missed")
  }
}
