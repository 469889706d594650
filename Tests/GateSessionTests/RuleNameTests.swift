// The key `name` of a rule: the destination of what goes out, an owned name of who sends what comes in.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("names: the name of a rule")
struct RuleNameTests {
  @Test("an allow rule opens its name and who was last known to own it")
  func allow() throws {
    let bus = try NamedBus([rule(.outgoing, name: "org.foo")], owners: ["org.foo": ":1.5", "org.bar": ":1.6"])
    #expect(try bus.call("org.foo") == "passes")
    #expect(try bus.call(":1.5") == "passes")
    for other in ["org.bar", ":1.6", "org.foo.x", "org.none"] {
      #expect(try bus.call(other) == "AccessDenied", "nothing is hidden")
    }
    bus.change("org.foo", to: nil)
    #expect(try bus.call(":1.5") == "passes", "it was the last")
    bus.change("org.foo", to: ":1.6")
    #expect(try bus.call(":1.5") == "AccessDenied")
    #expect(try bus.call(":1.6") == "passes")
  }

  @Test("a deny rule closes its name and who ever owned it", arguments: [Direction.outgoing, .incoming])
  func deny(direction: Direction) throws {
    let bus = try NamedBus(
      [rule(.outgoing), rule(.incoming), rule(direction, deny: true, name: "org.bad.*")],
      owners: ["org.bad.x": ":1.5", "org.bar": ":1.6"])
    func passes(_ unique: String) throws -> Bool {
      direction == .outgoing ? try bus.call(unique) == "passes" : try bus.delivers(.call(0, to: Rig.name, "Do", from: unique))
    }
    #expect(try !passes(":1.5"))
    #expect(try passes(":1.6"))
    bus.change("org.bad.x", to: ":1.6")
    for unique in [":1.5", ":1.6"] { #expect(try !passes(unique)) }
    bus.change("org.bad.x", to: nil)
    for unique in [":1.5", ":1.6"] { #expect(try !passes(unique)) }
    #expect(try passes(":1.7"))
    if direction == .outgoing {
      #expect(try bus.call("org.bad.other") == "AccessDenied")
      #expect(try bus.call("org.bar") == "passes")
    }
  }

  @Test("an incoming rule lets in who was last known to own its name", arguments: [true, false])
  func incoming(isBroadcast: Bool) throws {
    let bus = try NamedBus([rule(.incoming, name: "org.foo")], owners: ["org.foo": ":1.5", "org.bar": ":1.6"])
    func comes(_ sender: String) throws -> Bool {
      try bus.delivers(.signal(0, to: isBroadcast ? nil : Rig.name, "Sig", from: sender))
    }
    #expect(try comes(":1.5"))
    #expect(try !comes(":1.6"))
    #expect(try bus.delivers(.call(0, to: Rig.name, "Do", from: ":1.5")))
    bus.change("org.foo", to: ":1.6")
    #expect(try !comes(":1.5"))
    #expect(try comes(":1.6"))
  }

  @Test("a sender that writes a well-known name as SENDER is nobody: the bus never does")
  func spoofed() throws {
    let bus = try NamedBus([rule(.incoming, name: "org.foo")], names(talk: ["org.foo"]))
    #expect(try !bus.delivers(.signal(0, "Sig", from: ":1.9")))
    #expect(try !bus.delivers(.signal(0, "Sig")))
  }

  @Test("without a names block the driver tells of everybody")
  func openDriver() throws {
    let bus = try NamedBus([rule(.outgoing, name: "org.foo")], owners: ["org.bar": ":1.6"])
    #expect(try bus.ask("GetNameOwner", .string("org.bar")) == "passes")
    #expect(try bus.ask("ListNames") == "passes")
    #expect(try bus.answerLast(.strings(["org.bar"]))?.texts == ["org.bar"])
    try bus.addMatch("type='signal'")
    bus.forget()
    bus.change("org.bar", to: nil)
    #expect(try bus.rig.summary(.client) == ["NameOwnerChanged"])
  }

  @Test("a deny rule for the driver's name meets its calls, also without DESTINATION")
  func driver() throws {
    let bus = try NamedBus([rule(.outgoing, "*", ["GetId"], deny: true, name: "org.freedesktop.*")])
    #expect(try bus.ask("GetId") == "AccessDenied")
    #expect(try bus.outcome(Draft.driver(0, "GetId").changed { $0.destination = nil }) == "AccessDenied")
    #expect(try bus.ask("GetNameOwner", .string("org.foo")) == "passes")
  }

  @Test("with globs, any part of a name may vary", arguments: [("*.foo", true), ("org.f*", true), ("*", true), ("*.bar", false)])
  func globs(pattern: String, passes: Bool) throws {
    let bus = try NamedBus([rule(.outgoing, name: pattern)], owners: ["org.foo": ":1.5"])
    #expect(try bus.call("org.foo") == (passes ? "passes" : "AccessDenied"))
    #expect(try bus.call(":1.5") == (passes ? "passes" : "AccessDenied"))
  }

  @Test("rules may tell calls from signals", arguments: [true, false])
  func types(calls: Bool) throws {
    let bus = try NamedBus([rule(.outgoing, calls: calls, signals: !calls, name: "org.foo")])
    #expect(try bus.call("org.foo") == (calls ? "passes" : "AccessDenied"))
    #expect(try bus.outcome(.signal(0, to: "org.foo", "Sig")) == (calls ? "nothing" : "passes"))
  }
}
