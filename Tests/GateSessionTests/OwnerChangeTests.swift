// NameOwnerChanged: what the client is told of, where the gate has match rules of its own.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let owners = ["org.foo": ":1.5", "org.tree.a": ":1.6", "org.tree.b.c": ":1.7", "org.x": ":1.8"]

@Suite("names: changes of owners that the client is told of")
struct OwnerChangeTests {
  @Test("the gate's match rules are not the client's to remove")
  func removal() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners)
    let own = bus.asked[0].dropFirst("AddMatch(".count).dropLast()
    #expect(try bus.ask("RemoveMatch", .string(String(own))) == "MatchRuleNotFound")
    for _ in 0..<2 { #expect(try bus.ask("AddMatch", .string(String(own))) == "return") }
    for _ in 0..<2 { #expect(try bus.ask("RemoveMatch", .string(String(own))) == "return") }
    #expect(try bus.ask("RemoveMatch", .string(String(own))) == "MatchRuleNotFound")
    bus.forget()
    bus.change("org.foo", to: ":1.9")
    #expect(bus.rig.client.stream.isEmpty)
    #expect(try bus.call(":1.9") == "passes")
  }

  @Test(
    "what the client's match rules ask for is told, and no more",
    arguments: [
      ("", true), ("type='signal'", true), ("sender='org.freedesktop.DBus'", true), ("member='NameOwnerChanged'", true),
      ("path='/org/freedesktop/DBus'", true), ("path_namespace='/org'", true), ("path_namespace='/'", true),
      ("arg0='org.foo'", true),
      ("arg0namespace='org.foo'", true), ("arg0namespace='org'", true), ("arg2=':1.9'", true), ("arg1=':1.5'", true),
      ("arg0path='org.foo'", true), ("type='method_call'", false), ("sender=':1.5'", false), ("member='NameLost'", false),
      ("interface='org.foo.Bar'", false), ("path='/org'", false), ("path_namespace='/org/free'", false), ("arg0='org.fo'", false),
      ("arg0namespace='org.fo'", false), ("arg2=''", false), ("arg3='x'", false), ("destination=':1.7'", false),
    ])
  func subscribed(rule: String, isTold: Bool) throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners)
    try bus.addMatch(rule)
    bus.forget()
    bus.change("org.foo", to: ":1.9")
    #expect(bus.rig.client.stream.isEmpty != isTold)
  }

  @Test("a match rule that the bus refused, or that was removed, asks for nothing")
  func notAdded() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners)
    let rule = "member='NameOwnerChanged'"
    bus.rig.feed(.driver(50, "AddMatch", .string(rule)), from: .client)
    bus.rig.feed(.error(2, to: 50, of: Rig.name, from: NamedBus.driver), from: .bus)
    try bus.addMatch(rule)
    #expect(try bus.ask("RemoveMatch", .string(rule)) == "passes")
    bus.forget()
    bus.change("org.foo", to: ":1.9")
    #expect(bus.rig.client.stream.isEmpty)
  }
}
