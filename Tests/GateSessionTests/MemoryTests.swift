// What a session remembers of the last messages: it changes nothing that is decided, and can be told not to, as the simulation's twins are.

import GatePolicy
import Testing

@testable import GateSession

@Suite("what a session remembers of messages")
struct MemoryTests {
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

  @Test("a name that was called is no secret any more, to the log of audit mode neither")
  func auditOfCalledName() throws {
    let rules = [rule(.outgoing, "org.foo.Bar", ["Do"])]
    let rig = try NamedBus(rules, names(talk: ["org.other"])) { $0.mode = .audit }.rig
    for serial in 10..<20 as Range<UInt32> { rig.feed(.call(serial, "Undo"), from: .client) }
    #expect(rig.decisions.map(\.verdict.reason) == Array(repeating: .hidden, count: 10))
    rig.forget()
    rig.feed(.call(20, "Do"), from: .client)
    rig.feed(.call(21, "Undo"), from: .client)
    #expect(rig.decisions.map(\.verdict.reason) == [.noRule])
  }
}
