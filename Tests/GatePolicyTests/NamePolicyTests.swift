import Testing

@testable import GatePolicy

@Suite("a policy with names")
struct NamePolicyTests {
  private let place = SourceLocation(file: "a.json", line: 7, column: 1)

  /// Names with some levels.
  private func names(_ levels: (NameLevel, String)...) -> NameRules {
    var names = NameRules()
    for (level, text) in levels { names.allow(level, pattern(text), at: place) }
    return names
  }

  private func match(
    _ policy: Policy, _ direction: Direction = .outgoing, isSignal: Bool = false, interface: String = "org.foo.Bar",
    path: String = "/foo", member: String = "Do", name: String = "", peer: MessagePeer = MessagePeer()
  ) -> RuleMatch.Outcome {
    policy.match(
      RuleQuery(
        direction: direction, isSignal: isSignal, interface: Array(interface.utf8).span.bytes, path: Array(path.utf8).span.bytes,
        member: Array(member.utf8).span.bytes, descriptors: 0, name: Array(name.utf8).span.bytes), peer: peer
    ).outcome
  }

  private func level(of name: String, in policy: Policy) -> NameLevel { policy.level(of: Array(name.utf8).span.bytes) }

  private func patterns(of name: String, in policy: Policy) -> NameSet { policy.patterns(matching: Array(name.utf8).span.bytes) }

  /// Somebody who owns, or owned, what these patterns match.
  private func peer(_ policy: Policy, owns: String..., owned: [String] = [], isBroadcast: Bool = false) -> MessagePeer {
    var peer = MessagePeer()
    peer.isBroadcast = isBroadcast
    for name in owns { peer.owned.formUnion(patterns(of: name, in: policy)) }
    peer.everOwned = peer.owned
    for name in owned { peer.everOwned.formUnion(patterns(of: name, in: policy)) }
    return peer
  }

  @Test("gives a name the highest level of the entries that match it")
  func levels() {
    let policy = Policy(
      rules: [], names: names((.see, "org.foo.*"), (.own, "org.foo.bar"), (.talk, "org.foo.b*"), (.none, "com.x")), busName: "X")
    for (name, level) in [
      ("org.foo", NameLevel.see), ("org.foo.bar", .own), ("org.foo.baz", .talk), ("org.foo.c", .see), ("org.fool", .none),
      ("com.x", .none),
    ] {
      #expect(self.level(of: name, in: policy) == level, "\(name)")
      #expect(policy.level(of: patterns(of: name, in: policy)) == level, "\(name)")
    }
  }

  @Test("follows names only if it has some")
  func following() {
    #expect(!Policy(rule()).followsNames)
    #expect(Policy(rules: [], names: NameRules(), busName: "X").followsNames)
    #expect(Policy(rule(name: "org.foo")).followsNames)
  }

  @Test(
    "lets messages of a name through from talk on",
    arguments: [(NameLevel.none, false), (.see, false), (.talk, true), (.own, true)])
  func talk(level: NameLevel, passes: Bool) {
    let policy = Policy(rules: [], names: names((level, "org.foo")), busName: "X")
    let expected = passes ? RuleMatch.Outcome.allow : .none
    for isSignal in [true, false] { #expect(match(policy, isSignal: isSignal, name: "org.foo") == expected) }
    #expect(match(policy, name: "org.bar") == .none)
    #expect(match(policy, name: ":1.5", peer: peer(policy, owns: "org.foo")) == expected)
    #expect(match(policy, name: ":1.5", peer: peer(policy, owned: ["org.foo"])) == expected, "sticky")
    #expect(match(policy, name: ":1.5") == .none)
    for isBroadcast in [true, false] {
      #expect(match(policy, .incoming, isSignal: true, peer: peer(policy, owns: "org.foo", isBroadcast: isBroadcast)) == expected)
      #expect(match(policy, .incoming, isSignal: true, peer: peer(policy, owns: "org.bar", isBroadcast: isBroadcast)) == .none)
    }
    #expect(match(policy, .incoming, peer: peer(policy, owns: "org.foo")) == .none, "calls come in by rules only")
  }

  @Test("opens a name to the calls of its rule, and to signals for it alone like them, only")
  func calls() throws {
    var rules = NameRules()
    rules.allowCalls(try MessagePattern(parsing: Array("org.foo.Bar.Do@/foo/*".utf8)), to: pattern("org.foo.*"), at: place)
    let policy = Policy(rules: [], names: rules, busName: "X")
    #expect(match(policy, name: "org.foo.x") == .allow)
    #expect(match(policy, path: "/foo/a/b", name: "org.foo") == .allow)
    #expect(match(policy, name: ":1.5", peer: peer(policy, owned: ["org.foo"])) == .allow)
    #expect(match(policy, name: "org.bar") == .none)
    #expect(match(policy, path: "/fool", name: "org.foo") == .none)
    #expect(match(policy, member: "Undo", name: "org.foo") == .none)
    #expect(match(policy, interface: "org.foo.Baz", name: "org.foo") == .none)
    #expect(match(policy, interface: "", name: "org.foo") == .none, "a filter on interfaces is not passed by leaving it out")
    #expect(match(policy, isSignal: true, name: "org.foo") == .allow)
    #expect(match(policy, isSignal: true, name: ":1.5", peer: peer(policy, owned: ["org.foo"])) == .allow)
    #expect(match(policy, isSignal: true, member: "Undo", name: "org.foo") == .none)
    #expect(match(policy, isSignal: true, path: "/fool", name: "org.foo") == .none)
    #expect(match(policy, isSignal: true, interface: "org.foo.Baz", name: "org.foo") == .none)
    #expect(match(policy, isSignal: true, name: "org.bar") == .none)
    #expect(match(policy, isSignal: true, peer: peer(policy, isBroadcast: true)) == .none, "to everybody")
    #expect(match(policy, .incoming, isSignal: true, peer: peer(policy, owns: "org.foo", isBroadcast: true)) == .none)
    #expect(level(of: "org.foo", in: policy) == .talk)
  }

  @Test("opens the client to the broadcasts of a rule only, whoever sends others")
  func broadcasts() throws {
    var rules = NameRules()
    rules.allowBroadcasts(try MessagePattern(parsing: Array("org.foo.Bar.Changed".utf8)), from: pattern("org.foo"), at: place)
    let policy = Policy(rules: [], names: rules, busName: "X")
    let owner = peer(policy, owns: "org.foo", isBroadcast: true)
    #expect(match(policy, .incoming, isSignal: true, member: "Changed", peer: owner) == .allow)
    #expect(match(policy, .incoming, isSignal: true, member: "Other", peer: owner) == .none)
    #expect(match(policy, .incoming, isSignal: true, member: "Changed") == .none)
    #expect(
      match(policy, .incoming, isSignal: true, member: "Changed", peer: peer(policy, owns: "org.foo")) == .none)
    #expect(match(policy, member: "Changed", name: "org.foo") == .none)
  }

  @Test("narrows an allow rule to who was last known to own its name, and a deny rule to who ever did")
  func ruleNames() {
    let allow = Policy(rule(name: "org.foo"))
    let deny = Policy(rule(), rule(action: .deny, name: "org.foo"))
    for (name, owns, owned, allowed, denied) in [
      ("org.foo", [], [], true, true), ("org.bar", [], [], false, false), (":1.5", ["org.foo"], [], true, true),
      (":1.5", [], ["org.foo"], false, true), (":1.5", ["org.bar"], [], false, false), ("", [], [], false, false),
    ] as [(String, [String], [String], Bool, Bool)] {
      for (policy, passes) in [(allow, allowed), (deny, !denied)] {
        var other = peer(policy, owned: owned)
        for text in owns { other.owned.formUnion(patterns(of: text, in: policy)) }
        other.everOwned.formUnion(other.owned)
        #expect((match(policy, name: name, peer: other) == .allow) == passes, "\(name) \(owns) \(owned)")
      }
    }
    var unknown = MessagePeer()
    unknown.mayOwnMore = true
    #expect(match(deny, name: ":1.5", peer: unknown) == .deny)
    #expect(match(allow, name: ":1.5", peer: unknown) == .none)
  }

  @Test("has its rules behind the given ones, with their places")
  func places() {
    let policy = Policy(rules: [rule(interface: "a.b")], names: names((.talk, "org.foo")), busName: "X")
    #expect(policy.givenRuleCount == 1 && policy.rules.count == 3)
    #expect(policy.rules[1].location == place)
  }

  @Test("has sets of any number of patterns")
  func sets() {
    var set = NameSet()
    #expect(set.isEmpty)
    for number in [0, 63, 64, 200] { set.insert(number) }
    var other = NameSet()
    other.insert(129)
    set.formUnion(other)
    var all: [Int] = []
    set.forEach { all.append($0) }
    #expect(all == [0, 63, 64, 129, 200])
    #expect(set.contains(129) && !set.contains(128) && !set.contains(1000))
  }

  @Test("reads names and their levels from a document, and adds those of further ones")
  func document() throws {
    let document = try parse(
      """
      [{"busgate": {"names": {"own": ["org.foo"], "talk": ["org.bar.*", "*.x"]}}},
       {"busgate": {"names": {"see": ["org.foo.*"]}}}, {"busgate": {}}]
      """)
    let entries = try #require(document.names).entries
    #expect(
      entries.map { "\($0.level) \($0.pattern) \($0.location)" } == [
        "own org.foo a.json:1:33", "talk org.bar.* a.json:1:54", "talk *.x a.json:1:67", "see org.foo.* a.json:2:33",
      ])
    #expect(try parse("{\"busgate\": {}}").names == nil)
    #expect(try parse("{\"busgate\": {\"names\": {}}}").names?.entries.isEmpty == true)
  }

  @Test("reads a rule's name")
  func ruleName() throws {
    let rule = try #require(try parse(sessionDocument(completeRule(",\"name\":\"org.foo.*\""))).sessionRules.first)
    #expect(rule.name == pattern("org.foo.*") && !rule.isSticky && rule.delivery == .any)
  }
}
