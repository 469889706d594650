// What the log is told beside a unique name: by a session that follows every name (audit mode), by one whose rules ask for some, and by one
// that follows none.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("names: what the log is told of owners")
struct OwnerNamesTests {
  private static let owners = ["org.foo": ":1.5", "org.bar": ":1.5", "org.tree.a": ":1.6", "org.x": ":1.8"]

  private func audited(_ rules: [GatewayRule] = [], _ owners: [String: String] = owners) throws -> NamedBus {
    try NamedBus(rules, owners: owners) {
      $0.mode = .audit
      $0.tellsOwners = true
    }
  }

  private func name(_ unique: String, _ bus: NamedBus) -> String? {
    let bytes = Array(unique.utf8)
    return bus.rig.session.wellKnownName(of: bytes.span.bytes)
  }

  @Test("in audit mode every name is asked for once, by one match rule and one list")
  func asked() throws {
    let bus = try audited()
    #expect(bus.asked.filter { $0.hasPrefix("AddMatch") }.count == 1 && !bus.asked[0].contains("arg"))
    #expect(
      bus.asked.dropFirst() == [
        "ListNames", "GetNameOwner(org.bar)", "GetNameOwner(org.foo)", "GetNameOwner(org.tree.a)", "GetNameOwner(org.x)",
      ])
    #expect(name(":1.6", bus) == "org.tree.a" && name(":1.8", bus) == "org.x")
  }

  @Test("what is no unique name, or one that owns nothing, has no name behind it")
  func unknown() throws {
    let bus = try audited()
    for other in [":1.7", "", "org.foo", "org.freedesktop.DBus", Rig.name] { #expect(name(other, bus) == nil) }
  }

  @Test("of several names the first is told, unless the client mentioned another: in a call, or a question")
  func several() throws {
    let bus = try audited()
    #expect(name(":1.5", bus) == "org.bar")
    #expect(try bus.ask("GetNameOwner", .string("org.foo")) == "passes")
    #expect(name(":1.5", bus) == "org.foo")
    #expect(try bus.call("org.bar") == "passes")
    #expect(name(":1.5", bus) == "org.bar")
    let other = try audited()
    #expect(try other.call("org.foo") == "passes")
    #expect(name(":1.5", other) == "org.foo")
    let started = try audited()
    #expect(try started.ask("StartServiceByName", .string("org.foo"), .number(0)) == "passes")
    #expect(name(":1.5", started) == "org.foo")
  }

  @Test("a question that comes in pieces counts as a whole one does")
  func pieces() throws {
    let bus = try audited()
    let question = Draft.driver(77, "GetNameOwner", .string("org.foo")).bytes
    for byte in question.dropLast() { bus.rig.feed([byte], from: .client) }
    #expect(name(":1.5", bus) == "org.bar")
    bus.rig.feed([question[question.count - 1]], from: .client)
    #expect(name(":1.5", bus) == "org.foo")
    #expect(try bus.forwarded().count == 1)
  }

  @Test("a question that is none passes as before")
  func malformed() throws {
    let bus = try audited()
    #expect(try bus.ask("GetNameOwner", .number(7)) == "passes")
    #expect(try bus.ask("GetNameOwner") == "passes")
    #expect(name(":1.5", bus) == "org.bar")
  }

  @Test("names come, change hands, and are remembered of who has left")
  func changes() throws {
    let bus = try audited()
    bus.change("org.new", to: ":1.9")
    #expect(name(":1.9", bus) == "org.new")
    bus.change("org.x", to: ":1.9")
    #expect(name(":1.8", bus) == nil)
    bus.leave(":1.6")
    #expect(name(":1.6", bus) == "org.tree.a")
    bus.change("org.tree.a", to: ":1.10")
    #expect(name(":1.6", bus) == nil && name(":1.10", bus) == "org.tree.a")
  }

  @Test("the client hears of owners what it asked for, and not what the gate did")
  func subscribed() throws {
    let bus = try audited()
    let before = try bus.rig.messages(.client).count
    bus.change("org.new", to: ":1.9")
    #expect(try bus.rig.messages(.client).count == before)
    try bus.addMatch("type='signal',member='NameOwnerChanged',arg0='org.new'")
    let after = try bus.rig.messages(.client).count
    bus.change("org.new", to: ":1.10")
    bus.change("org.other", to: ":1.10")
    #expect(try bus.rig.messages(.client).count == after + 1)
  }

  @Test("names are bounded, and those of peers that have left give way first")
  func bounded() {
    var names = OwnerNames(limit: 100)
    func set(_ owner: UInt64, _ name: UInt64) {
      let text = Array("org.n\(name)".utf8)
      names.set(owner, of: name, text.span.bytes)
    }
    for number in 0..<UInt64(1000) { set(number, 10_000 + number) }
    #expect(names.count == 100 && names.name(of: 99) != nil && names.name(of: 100) == nil)
    for number in 0..<UInt64(1000) { names.leave(number) }
    set(5000, 20_000)
    #expect(names.count <= 100 && names.name(of: 5000) != nil)
    for number in 0..<UInt64(100_000) { names.mention(number) }
    #expect(names.name(of: 5000) == Array("org.n20000".utf8))
  }

  @Test("where rules ask for a name it is told too, and others are neither asked for nor told")
  func byRules() throws {
    let bus = try NamedBus([rule(.outgoing, name: "org.tree.*")], owners: Self.owners)
    #expect(bus.asked.suffix(1) == ["GetNameOwner(org.tree.a)"])
    #expect(name(":1.6", bus) == "org.tree.a" && name(":1.5", bus) == nil)
    let silent = try NamedBus([rule(.outgoing)], owners: Self.owners)
    #expect(silent.asked == [] && !silent.rig.followsNames && name(":1.6", silent) == nil)
  }

  @Test("verdicts are the same whether or not the log is told")
  func verdicts() throws {
    let rules = [rule(.outgoing, name: "org.foo"), rule(.outgoing, "org.deny.*", deny: true, name: "org.x")]
    let told = try audited(rules)
    let untold = try NamedBus(rules, owners: Self.owners) { $0.mode = .audit }
    for bus in [told, untold] { bus.rig.forgetDecisions() }
    for destination in [":1.5", ":1.6", ":1.8", "org.foo", "org.x", "org.none"] {
      for interface in ["org.foo.Bar", "org.deny.Bar"] {
        #expect(try told.call(destination, interface: interface) == untold.call(destination, interface: interface))
      }
    }
    #expect(!told.rig.decisions.isEmpty)
    #expect(told.rig.decisions.map(\.verdict.reason) == untold.rig.decisions.map(\.verdict.reason))
  }
}
