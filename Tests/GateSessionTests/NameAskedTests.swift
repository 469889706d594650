// StartServiceByName, whose argument decides; and which name a denied call to the driver was about.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("calls to the driver about a name")
struct NameAskedTests {
  private static let driver = "org.freedesktop.DBus"

  private func start(_ name: String) -> Draft { .driver(9, "StartServiceByName", .string(name), .number(0)) }

  private func outcome(
    _ draft: Draft, _ rules: [GatewayRule], _ configure: (inout SessionSettings) -> Void = { _ in }
  ) throws -> String {
    let rig = try Rig.open(rules, configure)
    rig.feed(draft, from: .client)
    if rig.bus.stream == draft.bytes { return "passes" }
    return try rig.message(.client).errorName.split(separator: ".").last.map(String.init) ?? ""
  }

  // MARK: StartServiceByName

  @Test("a service that may be called may be started, and no other", arguments: [true, false])
  func start(interface: Bool) throws {
    let rules = [rule(.outgoing, "org.foo.Bar", ["Do"]), rule(.outgoing, "org.foo.Bar", ["Do"], name: "org.foo")]
    func call(_ name: String) -> Draft { start(name).changed { if !interface { $0.interface = nil } } }
    #expect(try outcome(call("org.foo"), [rules[0]]) == "passes")
    #expect(try outcome(call("org.foo"), []) == "ServiceUnknown")
    for (name, expected) in [("org.foo", "passes"), ("org.fool", "ServiceUnknown"), ("com.hidden", "ServiceUnknown")] {
      let bus = try NamedBus([rules[1]], owners: [:])
      bus.rig.feed(call(name).changed { $0.serial = 77 }, from: .client)
      let passed = try bus.forwarded()
      #expect((passed == ["StartServiceByName"]) == (expected == "passes"))
      if passed.isEmpty { #expect(try bus.rig.message(.client).errorName.hasSuffix(expected)) }
    }
  }

  @Test("the verdict names the rule, and a rule that says so itself comes first")
  func verdict() throws {
    let rules = [rule(.outgoing, "org.foo.Bar", ["Do"]), rule(.outgoing, Self.driver, ["StartServiceByName"])]
    for (rules, expected) in [([rules[0]], Int32(0)), (rules, 1)] {
      let rig = try Rig.open(rules) { $0.logging = .everything }
      rig.feed(start("org.foo"), from: .client)
      #expect(rig.decisions.last?.verdict == Verdict(.allow, .rule, rule: expected))
    }
  }

  @Test("a deny rule closes it: for the method, and for every call")
  func denied() throws {
    let opening = rule(.outgoing, "org.foo.Bar", ["Do"])
    #expect(try outcome(start("org.foo"), [opening, rule(.outgoing, "*", ["StartService*"], deny: true)]) == "AccessDenied")
    #expect(try outcome(start("org.foo"), [opening, rule(.outgoing, "org.foo.*", deny: true)]) == "ServiceUnknown")
    #expect(try outcome(start("org.foo"), [opening, rule(.outgoing, "org.foo.*", ["Undo"], deny: true)]) == "passes")
  }

  @Test("its argument is waited for, at every byte", arguments: [ByteOrder.little, .big])
  func cut(order: ByteOrder) throws {
    let call = Draft.driver(9, "StartServiceByName").changed { $0.order = order }.with([.string("org.foo"), .number(0)])
    for open in [true, false] {
      let rig = try Rig.open(open ? [rule(.outgoing, "org.foo.Bar", ["Do"])] : [])
      for byte in call.bytes {
        #expect(rig.bus.stream.isEmpty && rig.client.stream.isEmpty)
        rig.feed([byte], from: .client)
      }
      #expect(rig.bus.stream == (open ? call.bytes : []))
      #expect(rig.client.stream.isEmpty == open)
    }
  }

  @Test("what it has instead of a name is refused, whatever a rule says")
  func malformed() throws {
    let rules = [rule(.outgoing)]
    #expect(try outcome(.driver(9, "StartServiceByName"), rules) == "InvalidArgs")
    #expect(try outcome(.driver(9, "StartServiceByName", .string("org.foo")), rules) == "InvalidArgs")
    #expect(try outcome(.driver(9, "StartServiceByName", .number(0)), rules) == "InvalidArgs")
    let long = start("org." + String(repeating: "a", count: 600))
    #expect(try outcome(long, rules) { $0.limits.inspectBytesMax = 500 } == "LimitsExceeded")
  }

  @Test(
    "an unknown service is no line in the log's default, in either mode; a denied one is",
    arguments: [
      SessionSettings.Mode.enforce, .audit,
    ])
  func logged(mode: SessionSettings.Mode) throws {
    for (rules, count) in [([], 0), ([rule(.outgoing, "*", ["StartServiceByName"], deny: true)], 1)] {
      let rig = try Rig.open(rules) { $0.mode = mode }
      rig.feed(start("org.foo"), from: .client)
      #expect(rig.decisions.count == count)
      #expect(rig.session.counters.messages(from: .client, mode == .audit ? .audit : .deny, type: 1) == 1)
    }
  }

  @Test("the interfaces that say that a rule is about the bus are those of the driver's table")
  func interfaces() {
    let known = Set(Driver.methods.map { Array("\($0.interface)".utf8) })
    #expect(GatewayRule.driverInterfaces.union(GatewayRule.sharedDriverInterfaces) == known)
    #expect(GatewayRule.driverInterfaces.isDisjoint(with: GatewayRule.sharedDriverInterfaces))
  }

  // MARK: About

  private func told(_ draft: Draft, _ rules: [GatewayRule] = [], cut: Bool = false) throws -> String {
    let rig = try Rig.open(rules)
    if cut { for byte in draft.bytes { rig.feed([byte], from: .client) } } else { rig.feed(draft, from: .client) }
    return try rig.message(.client).text
  }

  static let methods = Driver.methods.filter(\.isAboutName).map { "\($0.interface).\($0.member)" }

  @Test("a denied call says which name it was about, in one piece or in many", arguments: methods, [false, true])
  func about(method: String, cut: Bool) throws {
    let dot = method.lastIndex(of: ".")!
    let (interface, member) = (String(method[..<dot]), String(method[method.index(after: dot)...]))
    var call = Draft.driver(9, interface: interface, member).with([.string("com.example.X")])
    if ["RequestName", "StartServiceByName"].contains(member) { call = call.with([.number(0)]) }
    let text = try told(call, [rule(.outgoing, "*", [member], deny: true)], cut: cut)
    #expect(
      text == "busgate: outgoing call \(method) on /org/freedesktop/DBus about com.example.X is not allowed by the SESSION policy"
    )
  }

  @Test("methods that are about a name are told from others")
  func table() {
    #expect(
      Self.methods.map { String($0.split(separator: ".").last!) } == [
        "GetNameOwner", "NameHasOwner", "ListQueuedOwners", "GetConnectionUnixUser", "GetConnectionUnixProcessID",
        "GetConnectionCredentials", "GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext", "RequestName",
        "ReleaseName", "StartServiceByName", "GetConnectionInstance", "GetConnectionStats",
      ])
  }

  static let spellings: [(String, String)] = [
    (String(repeating: "a", count: 255), String(repeating: "a", count: 255)),
    ("a." + String(repeating: "b", count: 253), "a." + String(repeating: "b", count: 253)),
    (String(repeating: "a", count: 256), String(repeating: "a", count: 255) + "…"), ("a\nb c", "a?b c"),
    ("\u{1B}[2J\u{7F}", "?[2J?"), ("é\u{202E}", "?????"), (":1.5", ":1.5"),
  ]

  @Test("a name is cut like other parts, and stays on its line whatever it is", arguments: spellings)
  func hostile(name: String, shown: String) throws {
    let text = try told(.driver(9, "RequestName", .string(name), .number(0)))
    #expect(
      text
        == "busgate: outgoing call org.freedesktop.DBus.RequestName on /org/freedesktop/DBus about \(shown) is not allowed by the SESSION policy"
    )
  }

  @Test("what is malformed, empty, too large to be looked into or of another method is about nothing")
  func nothing() throws {
    for call in [
      Draft.driver(9, "RequestName"), .driver(9, "RequestName", .string("org.foo")),
      .driver(9, "RequestName", .string(""), .number(0)),
      .driver(9, "ReloadConfig", .string("org.foo")), .driver(9, "NoSuchMethod", .string("org.foo")),
      .driver(9, "RequestName", .string("org." + String(repeating: "a", count: 300_000)), .number(0)),
    ] {
      #expect(try !told(call).contains(" about "))
    }
    #expect(try !told(.call(9, "RequestName").with([.string("org.foo"), .number(0)])).contains(" about "))
  }

  @Test(
    "a hidden name and one that does not exist are answered in the same words",
    arguments: [
      "GetNameOwner", "GetConnectionUnixUser", "ListQueuedOwners",
    ])
  func hidden(member: String) throws {
    let bus = try NamedBus([], names(talk: ["org.talk"]), owners: ["org.hidden": ":1.7"])
    let texts = try ["org.hidden", "org.nobody"].map { name in
      bus.forget()
      #expect(try bus.ask(member, .string(name)) == "NameHasNoOwner")
      let text = try bus.rig.message(.client).text
      #expect(text.contains(" about \(name) "))
      return text.replacing(name, with: "NAME")
    }
    #expect(texts[0] == texts[1])
  }

  @Test("a denied call whose body does not come is not waited for beyond what is looked into")
  func long() throws {
    let call = Draft.driver(9, "RequestName", .string("org." + String(repeating: "a", count: 600)), .number(0))
    let rig = try Rig.open { $0.limits.inspectBytesMax = 500 }
    rig.feed(Array(call.bytes.prefix(300)), from: .client)
    #expect(try rig.message(.client).errorName.hasSuffix("AccessDenied"))
  }
}
