import GatePolicy
import Testing

@testable import PolicyTools

@Suite("what a log tells becomes the smallest configuration that allows it")
struct LearnerTests {
  /// A line of a log.
  private static func line(
    _ member: String, _ path: String, _ interface: String = "a.b", verdict: String = "audit", reason: String = "no-rule",
    direction: String = "outgoing", type: String = "method_call", to destination: String? = ":1.9", gate: String = "session",
    name: String? = nil, about: String? = nil
  ) -> String {
    let interface = interface.isEmpty ? "" : " interface=\(interface)"
    let destination = (destination.map { " destination=\($0)" } ?? "") + (name.map { " name=\($0)" } ?? "")
    let member = member + (about.map { " about=\($0)" } ?? "")
    return
      "\(verdict) T gate=\(gate) direction=\(direction) type=\(type)\(destination) path=\(path)\(interface) member=\(member) "
      + "reason=\(reason)"
  }

  private static func learn(_ lines: [String], _ options: LearnOptions = LearnOptions()) -> LearnedPolicy {
    var reader = DecisionLogReader()
    reader.begin(file: "a.log")
    reader.feed(Array((lines.joined(separator: "\n") + "\n").utf8)[...])
    reader.end()
    #expect(reader.unreadable == [])
    let policy = Learner.learn(from: reader.tally, options)
    #expect(policy.replayed == policy.learned)
    return policy
  }

  /// The rules, without braces and comments.
  private static func rules(_ policy: LearnedPolicy) throws -> [String] {
    let document = try GatewayDocument.parse(Array(policy.configuration.utf8), file: "learned")
    return (document.sessionRules + document.systemRules).map { rule in
      let direction = rule.outgoing ? rule.incoming ? "*" : "outgoing" : "incoming"
      let type = rule.methodCalls ? rule.signals ? "*" : "call" : "signal"
      let parts = [rule.interface, rule.objectPath].map { String(decoding: $0.pattern, as: UTF8.self) }
      let members = rule.methods.map { String(decoding: $0.pattern, as: UTF8.self) }
      return "\(direction) \(type) \(parts[0]) \(parts[1]) \(members.joined(separator: ","))"
    }
  }

  @Test("members of one path are one rule, and directions and types where all else is alike")
  func merged() throws {
    let policy = Self.learn([
      Self.line("B", "/x"), Self.line("A", "/x"), Self.line("A", "/x"), Self.line("C", "/y"),
      Self.line("S", "/z", direction: "incoming", type: "signal"), Self.line("S", "/z", type: "signal"),
      Self.line("T", "/t", type: "signal"), Self.line("T", "/t"), Self.line("S", "/s", gate: "system"),
    ])
    #expect(
      try Self.rules(policy) == [
        "outgoing * a.b /t T", "outgoing call a.b /x A,B", "outgoing call a.b /y C", "* signal a.b /z S",
        "outgoing call a.b /s S",
      ])
    #expect(policy.generalisations == [] && policy.surplus == [])
    #expect(policy.learned.distinct == 8 && policy.learned.messages == 9)
  }

  @Test("a well-known name that was called is asked for, but not where the same was sent to a unique one")
  func names() throws {
    let policy = Self.learn([
      Self.line("A", "/x", to: "c.d"), Self.line("B", "/x", to: "c.d"), Self.line("B", "/x", to: "e.f"),
      Self.line("C", "/x", to: "c.d"),
      Self.line("C", "/x"), Self.line("In", "/x", direction: "incoming", type: "signal", to: "g.h"),
    ])
    let document = try GatewayDocument.parse(Array(policy.configuration.utf8), file: "learned")
    let told = document.sessionRules.map { rule in
      "\(rule.name.map { "\($0)" } ?? "-") "
        + rule.methods.map { String(decoding: $0.pattern, as: UTF8.self) }.joined(separator: ",")
    }
    #expect(told == ["- C", "- In", "c.d A,B", "e.f B"])
    #expect(policy.surplus == [])
  }

  /// Each rule as `name interface members`.
  private static func named(_ policy: LearnedPolicy) throws -> [String] {
    try GatewayDocument.parse(Array(policy.configuration.utf8), file: "learned").sessionRules.map { rule in
      let members = rule.methods.map { String(decoding: $0.pattern, as: UTF8.self) }.joined(separator: ",")
      return "\(rule.name.map { "\($0)" } ?? "-") \(String(decoding: rule.interface.pattern, as: UTF8.self)) \(members)"
    }
  }

  private static let properties = "org.freedesktop.DBus.Properties"

  @Test("the name that the log knew behind a unique one is asked for, in both directions")
  func namesBehind() throws {
    let policy = Self.learn([
      Self.line("Get", "/x", Self.properties, name: "c.d"), Self.line("Do", "/x", name: "c.d"),
      Self.line("PropertiesChanged", "/x", Self.properties, direction: "incoming", type: "signal", to: nil, name: "c.d"),
      Self.line("Ask", "/me", direction: "incoming", to: ":1.7", name: "e.f"),
      Self.line("Tell", "/x", direction: "incoming", type: "signal", to: nil, name: "not..a-name"),
    ])
    #expect(
      try Self.named(policy) == [
        "e.f a.b Ask", "- a.b Tell", "c.d a.b Do", "c.d \(Self.properties) Get", "c.d \(Self.properties) PropertiesChanged",
      ])
    #expect(policy.unlearnable == [] && policy.surplus == [])
  }

  @Test(
    "what every service has is not learned of a peer without a name, and said",
    arguments: [
      (properties, "Get"), ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"),
      ("org.freedesktop.DBus.Introspectable", "Introspect"), ("org.freedesktop.DBus.Peer", "Ping"), ("", "GetAll"),
    ])
  func everyService(interface: String, member: String) throws {
    for direction in ["outgoing", "incoming"] {
      let policy = Self.learn([Self.line(member, "/x", interface, direction: direction), Self.line("Do", "/x")])
      #expect(try Self.named(policy) == ["- a.b Do"])
      #expect(
        policy.unlearnable.map(\.place) == ["a.log:1"] && policy.unlearnable[0].problem.contains("without a well-known name"))
    }
  }

  @Test("what is near it is: a named service's, a call by name, the client's own signals, a service's own interface")
  func nearEveryService() throws {
    let policy = Self.learn([
      Self.line("Get", "/x", Self.properties, name: "c.d"), Self.line("Set", "/x", Self.properties, to: "e.f"),
      Self.line("PropertiesChanged", "/x", Self.properties, type: "signal", to: nil), Self.line("GetAll", "/x", "a.Properties"),
    ])
    #expect(
      try Self.named(policy) == [
        "- a.Properties GetAll", "- \(Self.properties) PropertiesChanged", "c.d \(Self.properties) Get",
        "e.f \(Self.properties) Set",
      ])
    #expect(policy.unlearnable == [])
  }

  private static func start(_ name: String?, verdict: String = "audit", reason: String = "service-unknown") -> String {
    line(
      "StartServiceByName", "/org/freedesktop/DBus", "org.freedesktop.DBus", verdict: verdict, reason: reason,
      to: "org.freedesktop.DBus", about: name)
  }

  @Test("no rule is made of StartServiceByName: where a call may pass it needs none, else it is left out and said")
  func starts() throws {
    let needless = Self.learn([Self.start("c.d"), Self.line("Get", "/x", Self.properties, name: "c.d")])
    #expect(try Self.named(needless) == ["c.d \(Self.properties) Get"])
    #expect(needless.needless == 1 && needless.unlearnable == [])
    let unnamed = Self.learn([Self.start("c.d"), Self.line("Do", "/x")])
    #expect(unnamed.needless == 1 && unnamed.unlearnable == [])

    let incoming = Self.line("Do", "/x", direction: "incoming", name: "c.d")
    for other in [Self.line("Get", "/x", Self.properties, name: "c.e"), incoming] {
      let policy = Self.learn([Self.start("c.d"), other])
      #expect(try Self.named(policy).count == 1)
      #expect(policy.unlearnable.count == 1 && policy.unlearnable[0].problem.hasPrefix("StartServiceByName of c.d"))
    }
    let unknown = Self.learn([Self.start(nil), Self.line("Do", "/x")])
    #expect(try Self.named(unknown) == ["- a.b Do"] && unknown.unlearnable.count == 1)
    let allowed = Self.learn([Self.start(nil, verdict: "allow", reason: "rule"), Self.line("Do", "/x")])
    #expect(try Self.named(allowed) == ["- a.b Do"] && allowed.unlearnable == [] && allowed.leftOut.count == 1)
  }

  @Test("a rule for RequestName is one for every name, and says so; one for another method of the bus does not")
  func requestName() throws {
    func asked(_ member: String) -> LearnedPolicy {
      var options = LearnOptions()
      options.learnsDenied = true
      return Self.learn(
        [Self.line(member, "/org/freedesktop/DBus", "org.freedesktop.DBus", to: "org.freedesktop.DBus", about: "org.me")], options
      )
    }
    #expect(asked("RequestName").generalisations.map { $0.reason.contains("stands for every name") } == [true])
    #expect(asked("ReloadConfig").generalisations == [] && asked("ReloadConfig").learned.distinct == 1)
  }

  @Test("siblings of a shape become one pattern, which is named, and what it allows besides is shown")
  func siblings() throws {
    let devices = ["00_1A_7D_DA_71_13", "5C_F3_70_8B_12_9E", "AA_BB_CC_DD_EE_0F"]
    let lines = devices.map { Self.line("Connect", "/org/bluez/hci0/dev_\($0)") } + [Self.line("Scan", "/org/bluez/hci0")]
    let policy = Self.learn(lines)
    #expect(
      try Self.rules(policy) == ["outgoing call a.b /org/bluez/hci0 Scan", "outgoing call a.b /org/bluez/hci0/dev_* Connect"])
    #expect(policy.generalisations.map(\.pattern) == ["/org/bluez/hci0/dev_*"])
    #expect(
      policy.generalisations[0].reason.hasPrefix("generalised: stands for 3 paths that were seen, /org/bluez/hci0/dev_00_1A"))
    #expect(policy.configuration.contains("\"comment\":\"generalised: stands for 3 paths"))
    #expect(policy.surplus.map(\.example.description) == ["outgoing method_call a.b.Connect on /org/bluez/hci0/dev_"])
    // Two are no pattern, and none are if nobody wants it.
    #expect(try Self.rules(Self.learn(Array(lines.dropFirst()))).count == 3)
    var exact = LearnOptions()
    exact.siblingsMin = nil
    #expect(try Self.rules(Self.learn(lines, exact)).count == 4)
    #expect(Self.learn(lines, exact).surplus == [])
  }

  @Test(
    "numbers and hexadecimal digits are shapes, words are none",
    arguments: [
      (["service000a", "service0010", "service0011"], "service*"), (["1", "2", "37"], "*"),
      (["req_1_a", "req_2_a", "req_3_a"], "req_*_a"),
      (["6ba7b8109dad11d1", "00c04fd430c80000", "1234567890abcdef"], "*"), (["alpha", "beta", "gamma"], nil),
      (["dead", "beef", "face"], nil), (["a1", "b2", "c3"], nil),
    ] as [([String], String?)])
  func shapes(elements: [String], pattern: String?) throws {
    let rules = try Self.rules(Self.learn(elements.map { Self.line("M", "/p/\($0)/q") }))
    #expect(
      rules == (pattern.map { ["outgoing call a.b /p/\($0)/q M"] } ?? elements.map { "outgoing call a.b /p/\($0)/q M" }.sorted()))
  }

  @Test("a pattern that a wider one covers is left out, and members that only it has are not")
  func covered() throws {
    let lines = (1...3).flatMap { device in
      [Self.line("Get", "/d/dev\(device)")]
        + (1...3).flatMap { [Self.line("Get", "/d/dev\(device)/s\($0)"), Self.line("Read", "/d/dev\(device)/s\($0)")] }
    }
    #expect(try Self.rules(Self.learn(lines)) == ["outgoing call a.b /d/dev* Get", "outgoing call a.b /d/dev*/s* Read"])
  }

  @Test("hundreds of siblings without a shape become a pattern, but never all paths")
  func many() throws {
    let letters = Array("abcdefghijklmnopqrst")
    let words = letters.flatMap { a in letters.map { "\(a)\($0)" } }
    #expect(try Self.rules(Self.learn(words.map { Self.line("M", "/p/\($0)") })) == ["outgoing call a.b /p/* M"])
    #expect(try Self.rules(Self.learn(words.map { Self.line("M", "/\($0)") })).count == words.count)
  }

  @Test("what needs no rule gets none, and what the gate would not open by a wildcard is left out and said")
  func driver() throws {
    let bus = "org.freedesktop.DBus"
    let lines = [
      Self.line("AddMatch", "/org/freedesktop/DBus", bus, verdict: "allow", reason: "driver", to: bus),
      Self.line("Reply", "/", "", verdict: "allow", reason: "reply", type: "method_return"),
      Self.line("Hidden", "/", "", verdict: "drop", reason: "own-call", type: "method_return"),
      Self.line("RequestName", "/org/freedesktop/DBus", bus, to: bus),
      Self.line("BecomeMonitor", "/org/freedesktop/DBus", "\(bus).Monitoring", verdict: "deny", reason: "driver-closed", to: bus),
      Self.line("Stop", "/x", reason: "rule"),
      Self.line("Many", "/x", verdict: "deny", reason: "pending-replies-max"),
    ]
    let policy = Self.learn(lines)
    #expect(try Self.rules(policy) == ["outgoing call \(bus) /org/freedesktop/DBus RequestName"])
    #expect(policy.needless == 3)
    #expect(
      Set(policy.leftOut.map { "\($0.verdict) \($0.reason) \($0.place)" }) == [
        "deny driver-closed a.log:5", "audit rule a.log:6", "deny pending-replies-max a.log:7",
      ])
    var all = LearnOptions()
    all.learnsDenied = true
    #expect(try Self.rules(Self.learn(lines, all)).count == 3)
    #expect(
      try Self.rules(Self.learn(lines, all)).contains("outgoing call \(bus).Monitoring /org/freedesktop/DBus BecomeMonitor"))
  }

  @Test("a call without INTERFACE is let through by *, which is named, with what else that opens")
  func withoutInterface() throws {
    let policy = Self.learn([Self.line("M", "/x", "")])
    #expect(try Self.rules(policy) == ["outgoing call * /x M"])
    #expect(policy.generalisations.map(\.pattern) == ["*"])
    #expect(policy.surplus.map(\.example.description) == ["outgoing method_call x.x.M on /x"])
    // At the bus itself the method says which interface is meant.
    let driver = Self.learn([Self.line("RequestName", "/org/freedesktop/DBus", "", to: nil)])
    #expect(try Self.rules(driver) == ["outgoing call org.freedesktop.DBus /org/freedesktop/DBus RequestName"])
  }

  @Test("what cannot be learned is named")
  func unlearnable() throws {
    let policy = Self.learn([
      Self.line("M", "\"/x…\""), Self.line("M", "/x", gate: "kitchen"),
      Self.line("Nonsense", "/", "", to: "org.freedesktop.DBus"),
    ])
    #expect(policy.unlearnable.map(\.place) == ["a.log:1", "a.log:2", "a.log:3"])
    #expect(
      policy.unlearnable[1].problem
        == "gate \"kitchen\" may be of either bus, expected --gate kitchen=session or --gate kitchen=system")
    #expect(policy.configuration == "{}\n")
    var options = LearnOptions()
    options.buses = ["kitchen": .system]
    #expect(try Self.rules(Self.learn([Self.line("M", "/x", gate: "kitchen")], options)) == ["outgoing call a.b /x M"])
  }
}
