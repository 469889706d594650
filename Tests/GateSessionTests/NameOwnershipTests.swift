// How ownership is followed: by calls of the gate's own on the client's connection, whose answers nobody else sees.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let owners = ["org.foo": ":1.5", "org.tree.a": ":1.6", "org.tree.b.c": ":1.7", "org.x": ":1.8"]

@Suite("names: following who owns which")
struct NameOwnershipTests {
  @Test("a session without names asks the bus for nothing")
  func nothing() throws {
    let bus = try NamedBus([rule(.outgoing)], owners: owners)
    #expect(bus.asked == [] && !bus.rig.followsNames && !bus.rig.isJudgedByName)
  }

  @Test("exact names are asked for one by one, match rules first")
  func exact() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"], see: ["org.none"]), owners: owners)
    let match = "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
    #expect(
      bus.asked == [
        "AddMatch(\(match)member='NameOwnerChanged',arg0='org.foo')",
        "AddMatch(\(match)member='NameOwnerChanged',arg0='org.none')",
        "AddMatch(\(match)member='NameOwnerChanged',arg2='')", "GetNameOwner(org.foo)", "GetNameOwner(org.none)",
      ])
  }

  @Test("of a subtree or a glob, those are asked for that there are")
  func subtree() throws {
    let bus = try NamedBus([], names(talk: ["org.tree.*"]), owners: owners)
    #expect(bus.asked.contains { $0.hasSuffix("arg0namespace='org.tree')") })
    #expect(bus.asked.suffix(3) == ["ListNames", "GetNameOwner(org.tree.a)", "GetNameOwner(org.tree.b.c)"])
    let globs = try NamedBus([], names(talk: ["*.foo"]), owners: owners)
    #expect(globs.asked.filter { $0.hasPrefix("AddMatch") }.count == 1)
    #expect(globs.asked.suffix(2) == ["ListNames", "GetNameOwner(org.foo)"])
  }

  @Test("many names share one match rule, and more names than may be asked for at a time are all asked for")
  func many() throws {
    var owners: [String: String] = [:]
    for i in 0..<100 { owners["org.a\(i)"] = ":1.\(100 + i)" }
    let bus = try NamedBus([], names(talk: owners.keys.sorted()), owners: owners)
    #expect(bus.asked.filter { $0.hasPrefix("AddMatch") }.count == 1)
    #expect(bus.asked.filter { $0.hasPrefix("GetNameOwner") }.count == 100)
    for i in 0..<100 { #expect(try bus.call(":1.\(100 + i)") == "passes") }
  }

  @Test("the client's calls wait until all is known, and the answers stay with the gate")
  func waiting() throws {
    let bus = try NamedBus([], names(talk: ["org.tree.*"]), owners: owners, isAnswering: false)
    let hello = try bus.rig.message(.client)
    #expect(hello.text == Rig.name)
    bus.rig.feed(Draft.call(7, to: ":1.6", "Do").bytes + Draft.call(8, to: "org.x", "Do").bytes, from: .client)
    #expect(bus.rig.wait(.client) == "serial")
    #expect(try bus.forwarded() == ["Hello"])
    bus.isAnswering = true
    bus.answerGate()
    #expect(try bus.forwarded() == ["Hello", "Do"])
    #expect(try bus.rig.summary(.client) == ["return<-1", "ServiceUnknown<-8"])
  }

  @Test("a client that pipelines everything behind Hello loses nothing")
  func pipelined() throws {
    let rig = Rig()
    rig.policy = Policy(rules: [], names: names(talk: ["org.foo"]), busName: "SESSION")
    rig.authenticate()
    rig.feed(Draft.driver(1, "Hello").bytes + Draft.call(2, to: "org.foo", "Do").bytes, from: .client)
    #expect(try rig.summary(.bus) == ["Hello"])
    rig.feed(.answer(1, to: 1, of: Rig.name, from: NamedBus.driver).with([.string(Rig.name)]), from: .bus)
    for message in try rig.messages(.bus).dropFirst() {
      rig.feed(.answer(2, to: message.serial, of: Rig.name, from: NamedBus.driver).with([.string(":1.5")]), from: .bus)
    }
    #expect(try rig.summary(.bus).last == "Do")
    #expect(try rig.summary(.client) == ["return<-1"])
  }

  @Test("what is told of owners before the client has its name counts for nothing, and harms nothing")
  func earlyChange() throws {
    let rig = Rig()
    rig.policy = Policy(rules: [], names: names(talk: ["org.foo"]), busName: "SESSION")
    rig.authenticate()
    rig.feed(.driver(1, "Hello"), from: .client)
    let change = Draft.signal(
      1, interface: NamedBus.driver, "NameOwnerChanged", path: "/org/freedesktop/DBus", from: NamedBus.driver)
    rig.feed(change.with([.string("org.foo"), .string(""), .string(":1.5")]), from: .bus)
    rig.feed(.answer(2, to: 1, of: Rig.name, from: NamedBus.driver).with([.string(Rig.name)]), from: .bus)
    #expect(try rig.summary(.client) == ["return<-1"])
    #expect(try rig.summary(.bus) == ["Hello", "AddMatch", "AddMatch", "GetNameOwner"])
  }

  @Test("who asks about a name before Hello is told nothing of it, in an answer that is a message")
  func earlyQuestion() throws {
    let rig = Rig()
    rig.policy = Policy(rules: [], names: names(talk: ["org.foo"]), busName: "SESSION")
    rig.authenticate()
    rig.feed(.driver(1, "NameHasOwner").with([.string("org.hidden")]), from: .client)
    #expect(try rig.summary(.client) == ["AccessDenied<-1"])
    #expect(try rig.message(.client).destination.isEmpty)
  }

  @Test("until owners are known a denied name may be anybody's, and no limit is to blame for that")
  func deniedUntilKnown() throws {
    let rules = [rule(.incoming), rule(.incoming, deny: true, name: "org.bad")]
    let bus = try NamedBus(rules, isAnswering: false)
    bus.rig.feed(.call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus)
    #expect(try bus.rig.messages(.bus).last?.errorName == "org.freedesktop.DBus.Error.AccessDenied")
  }

  @Test("a monitor's messages do not wait for names that nobody asks for, nor are they judged by another policy's")
  func monitorReload() throws {
    let monitoring = rule(.outgoing, "org.freedesktop.DBus.Monitoring", ["BecomeMonitor"])
    let bus = try NamedBus([monitoring], names(talk: ["org.foo"], see: ["org.x"]), owners: owners)
    bus.rig.feed(.driver(50, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor"), from: .client)
    bus.rig.feed(.answer(1, to: 50, of: Rig.name, from: NamedBus.driver), from: .bus)
    bus.rig.policy = Policy(rules: [monitoring], names: names(talk: ["org.x"], see: ["org.foo"]), busName: "SESSION")
    bus.forget()
    #expect(try bus.call(":1.5") != "passes", "who owns org.foo may not be talked to any more")
    #expect(bus.rig.wait(.client) == "bytes")
    #expect(try bus.call("org.x") == "passes")
    #expect(bus.asked.filter { $0.hasPrefix("GetNameOwner") } == ["GetNameOwner(org.foo)", "GetNameOwner(org.x)"])
  }

  @Test("names that are none, from a bus that is sick, are not asked for", arguments: [256, 4000, 100_000])
  func namesThatAreNone(byteCount: Int) throws {
    let bus = try NamedBus([], names(talk: ["org.tree.*"]), owners: owners, isAnswering: false)
    let list = try #require(try bus.rig.messages(.bus).first { $0.member == "ListNames" })
    let long = "org.tree." + String(repeating: "a", count: byteCount - 9)
    for message in try bus.rig.messages(.bus).dropFirst() where message.serial != list.serial {
      bus.rig.feed(.answer(2, to: message.serial, of: Rig.name, from: NamedBus.driver), from: .bus)
    }
    let answer = Draft.answer(3, to: list.serial, of: Rig.name, from: NamedBus.driver).with([.strings([long, "org.tree.a"])])
    bus.rig.feed(answer, from: .bus)
    #expect(try bus.rig.messages(.bus).filter { $0.member == "GetNameOwner" }.map(\.text) == ["org.tree.a"])
  }

  @Test("a unique name that is none, from a bus that is sick, is not the client's")
  func uniqueNameThatIsNone() throws {
    let rig = Rig([])
    rig.authenticate()
    var hello = Draft.driver(1, "Hello")
    hello.flags = Draft.noReply
    rig.feed(hello, from: .client)
    let long = ":1." + String(repeating: "7", count: 5000)
    var told = Draft.signal(
      1, interface: "org.freedesktop.DBus", "NameAcquired", path: "/org/freedesktop/DBus", from: NamedBus.driver)
    told.destination = Rig.name
    rig.feed(told.with([.string(long)]), from: .bus)
    rig.feed(.call(2, to: "org.closed", "Do"), from: .client)
    #expect(rig.name.isEmpty)
  }

  @Test("only the driver's answers count")
  func forged() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), isAnswering: false)
    for message in try bus.rig.messages(.bus).dropFirst() {
      bus.rig.feed(.answer(2, to: message.serial, of: Rig.name, from: ":1.66").with([.string(":1.66")]), from: .bus)
    }
    #expect(!bus.rig.knowsOwners)
    #expect(try bus.rig.summary(.client) == ["return<-1"])
  }

  @Test("a match rule that a reload kept from being asked for is asked for after the next one")
  func reloadsBehindEachOther() throws {
    var owners: [String: String] = [:]
    for i in 0..<40 { owners["org.a\(i)"] = ":1.\(100 + i)" }
    let bus = try NamedBus([], names(talk: owners.keys.sorted()), owners: owners, isAnswering: false)
    // All that may be under way at a time is: what the next two policies ask for has to wait.
    for own in try bus.rig.messages(.bus).dropFirst() {
      let answer = Draft.answer(2, to: own.serial, of: Rig.name, from: NamedBus.driver)
      bus.rig.feed(own.member == "ListNames" ? answer.with([.strings(bus.list)]) : answer, from: .bus)
    }
    for see in [[], ["org.y"]] {
      bus.rig.policy = Policy(rules: [], names: names(talk: ["org.x"], see: see), busName: "SESSION")
      bus.rig.feed(.signal(9, interface: NamedBus.driver, "NameLost", from: NamedBus.driver), from: .bus)
    }
    bus.isAnswering = true
    bus.answerGate(from: 3)
    #expect(bus.asked.contains { $0.hasPrefix("AddMatch") && $0.hasSuffix("arg0='org.x')") })
    #expect(bus.rig.knowsOwners)
  }

  @Test("a bus that refuses a match rule ends the connection: nothing could be hidden")
  func refused() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners, isAnswering: false)
    let first = try bus.rig.messages(.bus)[1]
    bus.rig.feed(.error(2, to: first.serial, of: Rig.name, from: NamedBus.driver), from: .bus)
    #expect(bus.rig.close == .namesNotFollowed)
  }

  @Test("a reload opens and closes names under a live connection, and forgets what it asked the bus for")
  func reload() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners)
    func load(_ names: NameRules?, _ rules: [GatewayRule] = []) throws {
      bus.rig.policy = Policy(rules: rules, names: names, busName: "SESSION")
      _ = try bus.ask("GetId")
      bus.answerGate()
      bus.forget()
    }
    #expect(try bus.call(":1.5") == "passes")
    try load(names(talk: ["org.x"]))
    #expect(try bus.call(":1.5") == "NameHasNoOwner")
    #expect(try bus.call("org.foo") == "ServiceUnknown")
    #expect(try bus.call(":1.8") == "passes")
    #expect(bus.asked.contains { $0.hasPrefix("RemoveMatch") && $0.contains("arg0='org.foo'") })
    try load(nil, [rule(.outgoing, "org.foo.Bar")])
    #expect(!bus.rig.isJudgedByName)
    #expect(try bus.call(":1.5") == "passes")
    #expect(try bus.ask("GetNameOwner", .string("org.foo")) == "passes")
    #expect(bus.asked.filter { $0.hasPrefix("RemoveMatch") }.count == bus.asked.filter { $0.hasPrefix("AddMatch") }.count)
    try load(names(see: ["org.foo"]))
    #expect(try bus.call(":1.5") == "AccessDenied")
  }

  @Test("what a unique name once owned is remembered over a reload that asks for the same, and no other")
  func stickyOverReload() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: owners)
    bus.change("org.foo", to: ":1.9")
    bus.rig.policy = Policy(rules: [], names: names(talk: ["org.x", "org.foo"]), busName: "SESSION")
    _ = try bus.ask("GetId")
    bus.answerGate()
    for unique in [":1.5", ":1.9", ":1.8"] { #expect(try bus.call(unique) == "passes", "\(unique)") }
    bus.rig.policy = Policy(rules: [], names: names(talk: ["org.foo.*"]), busName: "SESSION")
    _ = try bus.ask("GetId")
    bus.answerGate()
    #expect(try bus.call(":1.5") == "NameHasNoOwner")
    #expect(try bus.call(":1.9") == "passes")
  }

  @Test("two callers with the same serial both get their answers")
  func sameSerialOutside() throws {
    let bus = try NamedBus([], names(trusting: true))
    for caller in [":1.5", ":1.6"] { bus.rig.feed(.call(77, to: Rig.name, "Do", from: caller), from: .bus) }
    bus.forget()
    for caller in [":1.5", ":1.6", ":1.5"] { bus.rig.feed(.answer(9, to: 77, of: caller), from: .client) }
    #expect(try bus.rig.messages(.bus).map(\.destination) == [":1.5", ":1.6"])
  }

  @Test("a client without names in its policy waits for nothing after Hello")
  func noWait() throws {
    let bus = try NamedBus([rule(.outgoing)], isAnswering: false)
    #expect(try bus.call("org.foo") == "passes")
  }

  @Test("a client whose Hello the gate says waits for its names, too")
  func ownHello() throws {
    let rig = Rig([]) { $0.saysHello = true }
    rig.policy = Policy(rules: [], names: names(talk: ["org.foo"]), busName: "SESSION")
    rig.authenticate()
    rig.feed(Draft.call(1, to: ":1.5", "Do").bytes, from: .client)
    #expect(try rig.summary(.bus) == ["Hello"])
    rig.feed(.answer(1, to: .max, of: Rig.name, from: NamedBus.driver).with([.string(Rig.name)]), from: .bus)
    for message in try rig.messages(.bus).dropFirst() {
      rig.feed(.answer(2, to: message.serial, of: Rig.name, from: NamedBus.driver).with([.string(":1.5")]), from: .bus)
    }
    #expect(try rig.summary(.bus).last == "Do")
    #expect(rig.client.stream.isEmpty)
  }

  @Test("a monitor is not spoken for: the bus would end it")
  func monitor() throws {
    let becoming = rule(.outgoing, "org.freedesktop.DBus.Monitoring", ["BecomeMonitor"])
    let bus = try NamedBus([becoming])
    bus.rig.feed(.driver(50, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor"), from: .client)
    bus.rig.feed(.answer(2, to: 50, of: Rig.name, from: NamedBus.driver), from: .bus)
    bus.forget()
    bus.rig.policy = Policy(rules: [becoming], names: names(talk: ["org.foo"]), busName: "SESSION")
    #expect(try bus.delivers(.signal(0, "Sig", from: ":1.66")))
    #expect(bus.rig.bus.stream.isEmpty)
  }
}
