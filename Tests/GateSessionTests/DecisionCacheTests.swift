// What a session remembers of the last kinds of message: what it is good for, when it holds no more, and that a session can be told to
// remember nothing, as the simulation's twins are.

import GatePolicy
import Testing

@testable import GateSession

@Suite("what a session remembers of messages")
struct DecisionCacheTests {
  @Test("messages like the last ones go by without a look, unless nothing is remembered", arguments: [true, false])
  func remembers(remembers: Bool) throws {
    let rig = Rig([rule(.incoming)])
    if !remembers { rig.session.rememberNothing() }
    rig.authenticate()
    try rig.hello()
    var passed = 0
    rig.onDealt = { _, count, wait in if wait == nil { passed += count } }
    for serial in 1...20 { rig.feed(.signal(UInt32(serial), "Sig", from: ":1.5"), from: .bus) }
    #expect(try rig.messages(.client).count == 20)
    #expect((passed > 0) == remembers)
  }

  @Test("a run of calls that pass ends when the owner of a denied name is met", arguments: [true, false])
  func runs(isOutgoing: Bool) throws {
    let bus = try NamedBus(
      [
        rule(.outgoing), rule(.incoming), rule(.outgoing, deny: true, name: "org.bad"),
        rule(.incoming, deny: true, name: "org.bad"),
      ])
    func passes() throws -> Bool {
      isOutgoing ? try bus.call(":1.5", flags: Draft.noReply) == "passes" : try bus.delivers(.signal(0, "Sig", from: ":1.5"))
    }
    for _ in 0..<5 { #expect(try passes()) }
    bus.change("org.bad", to: ":1.5")
    for _ in 0..<5 { #expect(try !passes()) }
  }

  @Test("a run of signals ends when their sender is no longer the owner")
  func runOfSignals() throws {
    let bus = try NamedBus([rule(.incoming, name: "org.foo")], owners: ["org.foo": ":1.5"])
    for _ in 0..<5 { #expect(try bus.delivers(.signal(0, "Sig", from: ":1.5"))) }
    bus.change("org.foo", to: ":1.9")
    for _ in 0..<5 { #expect(try !bus.delivers(.signal(0, "Sig", from: ":1.5"))) }
    for _ in 0..<5 { #expect(try bus.delivers(.signal(0, "Sig", from: ":1.9"))) }
  }
}
