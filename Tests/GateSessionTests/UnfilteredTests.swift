// A gate that filters nothing: what is left of what a gate does.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("a gate that filters nothing")
struct UnfilteredTests {
  @Test("lets everything well-formed through, byte for byte")
  func everything() throws {
    let rig = try Rig.open { $0.isUnfiltered = true }
    #expect(rig.name == Rig.name && rig.isHelloAnswered)
    let fromClient: [Draft] = [
      .call(2, to: ":1.5", "Do"), .signal(3, "Sig"), .answer(4, to: 99, of: ":1.5"), .error(5, to: 98, of: ":1.5"),
      Draft(type: 9, serial: 6), .driver(7, "AddMatch", .string("eavesdrop='true'")), .driver(8, "ListNames"),
      .call(9, to: ":1.5", "Do").changed { $0.containerInstance = "/x" }, .call(2, to: ":1.5", "Do"),
    ]
    for message in fromClient { rig.feed(message, from: .client) }
    #expect(rig.bus.stream == fromClient.flatMap(\.bytes))
    let fromBus: [Draft] = [
      .answer(2, to: 2, of: Rig.name, from: ":1.9"), .answer(3, to: 2, of: Rig.name, from: ":1.9"),
      .signal(4, "Sig", from: ":1.5"),
      .call(5, to: ":1.66", "Do", from: ":1.5"), .call(6, to: Rig.name, "Do", from: ":1.5"), Draft(type: 9, serial: 7),
    ]
    for message in fromBus { rig.feed(message, from: .bus) }
    #expect(rig.client.stream == fromBus.flatMap(\.bytes))
    for _ in 0..<100 { rig.feed(.call(2, to: ":1.5", "Do"), from: .client) }
    #expect(rig.pendingReplies == 0)
  }

  @Test("closes on what is malformed")
  func malformed() throws {
    let rig = try Rig.open { $0.isUnfiltered = true }
    rig.feed(Draft.call(2, "Do").changed { $0.path = "no path" }, from: .client)
    #expect(rig.close != nil)
  }
}
