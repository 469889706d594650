// What a client has at the bus when the policy changes: match rules that are the gate's own too, names, and answers on their way.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let driver = "org.freedesktop.DBus"
private let ownRule =
  "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.foo'"

private func policy(_ rules: [GatewayRule], _ names: NameRules? = nil) -> Policy {
  Policy(rules: rules, names: names, busName: "SESSION")
}

@Suite("match rules that are the gate's own too")
struct OwnMatchTests {
  private let follows = policy([], names(talk: ["org.foo"]))
  private let doesNot = policy([])

  /// AddMatch and RemoveMatch as the bus gets them.
  private func told(_ bus: NamedBus) throws -> [String] {
    try bus.rig.messages(.bus).filter { $0.member.hasSuffix("Match") && $0.text == ownRule }.map {
      $0.member + ($0.serial > 0xFFFF_0000 ? " own" : "")
    }
  }

  private func reload(_ bus: NamedBus, _ policy: Policy) throws {
    bus.rig.reload(policy)
    _ = try bus.ask("GetId")
    bus.answerGate()
  }

  /// The client asks without wanting an answer.
  private func say(_ bus: NamedBus, _ member: String) {
    bus.rig.feed(.driver(9, member, .string(ownRule)).changed { $0.flags = Draft.noReply }, from: .client)
  }

  @Test("a rule that the bus has from the client for sure is removed without more ado")
  func certain() throws {
    let bus = try NamedBus()
    try bus.addMatch(ownRule)
    try reload(bus, follows)
    bus.forget()
    #expect(try bus.ask("RemoveMatch", .string(ownRule)) == "passes")
    #expect(try told(bus) == ["RemoveMatch"])
    #expect(try bus.ask("RemoveMatch", .string(ownRule)) == "MatchRuleNotFound")
  }

  @Test("one that the bus may have refused is removed behind one more of the gate's own, all of which are removed in the end")
  func uncertain() throws {
    let bus = try NamedBus()
    for _ in 0..<2 { say(bus, "AddMatch") }
    try reload(bus, follows)
    bus.forget()
    for _ in 0..<3 { say(bus, "RemoveMatch") }
    #expect(try told(bus) == ["AddMatch own", "RemoveMatch", "AddMatch own", "RemoveMatch"])
    bus.answerGate()
    bus.forget()
    try reload(bus, doesNot)
    #expect(try told(bus) == ["RemoveMatch own", "RemoveMatch own", "RemoveMatch own"])
  }

  @Test("one whose answer is on its way is not certain", arguments: [true, false])
  func pending(isRefused: Bool) throws {
    let bus = try NamedBus()
    bus.rig.feed(.driver(50, "AddMatch", .string(ownRule)), from: .client)
    try reload(bus, follows)
    bus.forget()
    if isRefused { bus.rig.feed(.error(2, to: 50, of: Rig.name, from: driver), from: .bus) }
    #expect(try bus.ask("RemoveMatch", .string(ownRule)) == (isRefused ? "MatchRuleNotFound" : "passes"))
    #expect(try told(bus) == (isRefused ? [] : ["AddMatch own", "RemoveMatch"]))
  }

  @Test("a bus that refuses one more ends the connection")
  func refused() throws {
    let bus = try NamedBus()
    say(bus, "AddMatch")
    try reload(bus, follows)
    bus.refusesMatches = true
    bus.forget()
    say(bus, "RemoveMatch")
    bus.answerGate()
    #expect(bus.rig.close == .namesNotFollowed)
  }

  @Test("a rule that the client has through the gate's stays until it has removed it, whatever is in force")
  func kept() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]))
    for _ in 0..<2 { #expect(try bus.ask("AddMatch", .string(ownRule)) == "return") }
    bus.forget()
    try reload(bus, doesNot)
    #expect(try bus.ask("AddMatch", .string(ownRule)) == "return")
    for _ in 0..<2 { #expect(try bus.ask("RemoveMatch", .string(ownRule)) == "return") }
    #expect(try told(bus) == [])
    #expect(try bus.ask("RemoveMatch", .string(ownRule)) == "return")
    #expect(try told(bus) == ["RemoveMatch own"])
    #expect(try bus.ask("RemoveMatch", .string(ownRule)) == "passes", "it is the bus's to say that there is none")
  }

  @Test("what the gate answers counts among the client's rules")
  func limit() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"])) { $0.limits.matchesMax = 2 }
    for _ in 0..<2 { #expect(try bus.ask("AddMatch", .string(ownRule)) == "return") }
    for rule in [ownRule, "path=/a"] { #expect(try bus.ask("AddMatch", .string(rule)) == "LimitsExceeded") }
    #expect(try bus.ask("RemoveMatch", .string(ownRule)) == "return")
    #expect(try bus.ask("AddMatch", .string("path=/a")) == "passes")
  }

  @Test("a call with the serial of a call of the gate's own waits for its answer; others do not")
  func serial() throws {
    let bus = try NamedBus()
    say(bus, "AddMatch")
    try reload(bus, follows)
    bus.forget()
    bus.isAnswering = false
    say(bus, "RemoveMatch")
    let own = try #require(try bus.rig.messages(.bus).first { $0.member == "AddMatch" })
    bus.rig.feed(.driver(7, "GetId"), from: .client)
    bus.rig.feed(.driver(own.serial, "GetId"), from: .client)
    #expect(bus.rig.wait(.client) == "serial")
    bus.rig.feed(.answer(2, to: own.serial, of: Rig.name, from: driver), from: .bus)
    #expect(try bus.rig.messages(.bus).map(\.serial).suffix(2) == [7, own.serial])
    #expect(bus.rig.client.stream.isEmpty)
  }
}

@Suite("names that a reload forbids")
struct ReleaseTests {
  private static let allowing = rule(.outgoing, driver, ["RequestName"])

  /// A client that asked for `org.a.A`, and how the bus answered.
  private func open(_ answer: UInt32?, isAcquired: Bool = false) throws -> Rig {
    let rig = try Rig.open()
    rig.policy = policy([Self.allowing])
    rig.feed(.driver(2, "RequestName", .string("org.a.A"), .number(0)), from: .client)
    if let answer { rig.feed(.answer(2, to: 2, of: Rig.name, from: driver).with([.number(answer)]), from: .bus) }
    if isAcquired { rig.feed(told("NameAcquired"), from: .bus) }
    rig.forget()
    rig.reload(policy([]))
    return rig
  }

  private func told(_ member: String) -> Draft {
    .signal(3, to: Rig.name, interface: driver, member, path: "/org/freedesktop/DBus", from: driver).with([.string("org.a.A")])
  }

  /// The bus answers the gate's ReleaseName.
  private func release(_ rig: Rig, _ answer: UInt32?) throws {
    let asked = try #require(try rig.messages(.bus).last)
    let reply = answer.map { Draft.answer(4, to: asked.serial, of: Rig.name, from: driver).with([.number($0)]) }
    rig.feed(reply ?? .error(4, to: asked.serial, of: Rig.name, from: driver), from: .bus)
  }

  @Test("are released at once, whatever the bus has answered yet", arguments: [nil, 1, 2, 4] as [UInt32?])
  func released(answer: UInt32?) throws {
    let asked = try open(answer).message(.bus)
    #expect((asked.member, asked.text, asked.destination) == ("ReleaseName", "org.a.A", driver))
  }

  @Test("are not released if the bus had refused them")
  func notHeld() throws { #expect(try open(3).bus.stream.isEmpty) }

  @Test("the client is told once, by the bus or else by the gate", arguments: [(true, true), (true, false), (false, false)])
  func once(isAcquired: Bool, isSignalFirst: Bool) throws {
    let rig = try open(isAcquired ? 1 : 2, isAcquired: isAcquired)
    if isAcquired && isSignalFirst { rig.feed(told("NameLost"), from: .bus) }
    try release(rig, 1)
    if isAcquired && !isSignalFirst { rig.feed(told("NameLost"), from: .bus) }
    let lost = try rig.message(.client)
    #expect((lost.member, lost.text, lost.sender, lost.destination) == ("NameLost", "org.a.A", driver, Rig.name))
    #expect(rig.client.own.isEmpty == isAcquired)
  }

  @Test("what the client never had it is not told of", arguments: [2, 3] as [UInt32])
  func never(answer: UInt32) throws {
    let rig = try open(nil)
    try release(rig, answer)
    #expect(rig.client.stream.isEmpty && rig.close == nil)
  }

  @Test("a bus that does not release what the client owns ends the connection", arguments: [true, false])
  func refused(isAcquired: Bool) throws {
    let rig = try open(nil, isAcquired: isAcquired)
    try release(rig, nil)
    #expect(rig.close == (isAcquired ? .nameNotReleased : nil))
  }

  @Test("the gate's own NameLost waits for room, and nothing is lost for that")
  func room() throws {
    let rig = try open(2)
    rig.policy = policy([])
    rig.stall(.client)
    for serial in 10..<400 as Range<UInt32> { rig.feed(.call(serial, "Do"), from: .client) }
    try release(rig, 1)
    #expect(rig.wait(.bus) == "ownOutput(client)" || rig.session.localOutputCount(to: .client) > 0)
    rig.unstall(.client)
    #expect(try rig.messages(.client).filter { $0.member == "NameLost" }.count == 1)
  }

  @Test("a name longer than any name is, or none, is the bus's to refuse", arguments: [0, 256])
  func noName(count: Int) throws {
    let rig = try Rig.open { $0.limits.namesMax = 0 }
    rig.policy = policy([Self.allowing])
    rig.feed(.driver(2, "RequestName", .string(String(repeating: "a", count: count)), .number(0)), from: .client)
    rig.reload(policy([]))
    #expect(try rig.summary(.bus) == ["RequestName"])
  }
}
