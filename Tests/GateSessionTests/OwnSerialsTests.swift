// The serials of the gate's own calls, beside those that the client picks.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let owners = ["org.foo": ":1.5", "org.tree.a": ":1.6", "org.tree.b.c": ":1.7", "org.x": ":1.8"]

@Suite("serials of the gate's own")
struct OwnSerialsTests {
  @Test("own calls take serials that are free, counted down from the highest")
  func serials() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners, isAnswering: false)
    let own = try bus.rig.messages(.bus).dropFirst().map(\.serial)
    #expect(own == [.max, .max - 1, .max - 2])
  }

  @Test("a client may use the same serials, before, between and after", arguments: [UInt32.max, UInt32.max - 1, 5])
  func sameSerials(serial: UInt32) throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners, isAnswering: false)
    bus.rig.feed(.call(serial, to: "org.foo", "Do"), from: .client)
    #expect(bus.rig.wait(.client) == "serial")
    for message in try bus.rig.messages(.bus).dropFirst() {
      bus.rig.feed(.answer(2, to: message.serial, of: Rig.name, from: NamedBus.driver).with([.string(":1.5")]), from: .bus)
    }
    #expect(try bus.rig.messages(.bus).last?.serial == serial)
    bus.rig.feed(.answer(3, to: serial, of: Rig.name, from: ":1.5"), from: .bus)
    #expect(try bus.rig.messages(.client).last?.replySerial == serial)
    // Any order, the highest included.
    for next in [UInt32.max, 1, 3, 2] {
      bus.rig.feed(.call(next, to: "org.foo", "Do"), from: .client)
      #expect(try bus.rig.messages(.bus).last?.serial == next)
      bus.rig.feed(.answer(4, to: next, of: Rig.name, from: ":1.5"), from: .bus)
      #expect(try bus.rig.messages(.client).last?.replySerial == next)
    }
  }

  @Test("what asks for no answer moves the gate's own calls to serials of which it has none")
  func serialsWithoutAnswer() throws {
    let bus = try NamedBus([rule(.outgoing), rule(.incoming)], owners: owners)
    func ask(_ policy: String) throws -> [UInt32] {
      bus.forget()
      let rules = [rule(.outgoing), rule(.incoming, deny: true, name: policy)]
      bus.rig.policy = Policy(rules: rules, names: nil, busName: "SESSION")
      bus.rig.feed(.signal(9, "Changed"), from: .client)
      return try bus.rig.messages(.bus).filter { $0.serial >= OwnSerials.first }.map(\.serial)
    }
    #expect(try ask("org.foo").allSatisfy { $0 >= 0xFF00_0000 })
    bus.answerGate()
    bus.rig.feed(.signal(0xFFFF_FF00, "Changed"), from: .client)
    #expect(bus.rig.wait(.client) == "bytes")
    #expect(try ask("org.bad").allSatisfy { $0 < 0xFF00_0000 }, "the client has something under way in the upper block")
    bus.rig.feed(.signal(0xFEFF_0000, "Changed"), from: .client)
    #expect(bus.rig.wait(.client) == "serial", "the bus has not dealt with that yet")
    bus.answerGate()
    #expect(bus.rig.wait(.client) == "bytes")
    #expect(try ask("org.foo").allSatisfy { $0 >= 0xFF00_0000 }, "now it has something under way in the lower one")
    bus.answerGate()
  }

  @Test("where the client has something under way in both blocks the bus is asked whether it is through with one")
  func serialsInBothBlocks() throws {
    let bus = try NamedBus([rule(.outgoing)], owners: owners, isAnswering: false)
    bus.forget()
    for serial in [0xFEFF_0000, 0xFEFF_0001] as [UInt32] { bus.rig.feed(.signal(serial, "Changed"), from: .client) }
    #expect(bus.rig.wait(.client) == "bytes", "own calls are made in the other block anyway")
    bus.rig.feed(.signal(0xFF00_0000, "Changed"), from: .client)
    #expect(bus.rig.wait(.client) == "serial")
    let asked = try #require(try bus.rig.messages(.bus).last)
    #expect(asked.summary.contains("NameHasOwner") && asked.text == Rig.name)
    bus.rig.feed(.answer(1, to: asked.serial, of: Rig.name, from: NamedBus.driver).with([.boolean(true)]), from: .bus)
    #expect(bus.rig.wait(.client) == "bytes")
    #expect(try bus.rig.messages(.bus).last?.serial == 0xFF00_0000)
  }

  @Test("a reload asks around calls of the client's that wait for their answers")
  func reloadAroundCalls() throws {
    let bus = try NamedBus([rule(.outgoing)], owners: owners)
    bus.rig.feed(.call(.max, to: "org.foo", "Do"), from: .client)
    bus.rig.feed(.call(.max - 1, to: "org.foo", "Do"), from: .client)
    bus.rig.policy = Policy(rules: [], names: names(talk: ["org.tree.*"]), busName: "SESSION")
    bus.rig.feed(.call(4, to: "org.foo", "Do"), from: .client)
    bus.answerGate()
    #expect(try bus.rig.messages(.client).map(\.errorName) == ["org.freedesktop.DBus.Error.ServiceUnknown"])
    let own = try bus.rig.messages(.bus).filter { $0.destination == NamedBus.driver }.map(\.serial)
    #expect(own.count == 5 && Set(own).isDisjoint(with: [.max, .max - 1]))
    bus.rig.feed(.answer(9, to: .max, of: Rig.name, from: ":1.5"), from: .bus)
    #expect(try bus.rig.messages(.client).last?.replySerial == .max, "calls already forwarded keep their right to a reply")
    #expect(try bus.call(":1.6") == "passes")
  }
}
