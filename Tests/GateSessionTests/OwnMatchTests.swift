// Match rules that are the client's and the gate's own too, when the policy changes.

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
