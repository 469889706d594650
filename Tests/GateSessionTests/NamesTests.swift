// What a client may know and do when its policy has names: each level, and each kind of question and message, with what is refused beside
// what is allowed. The authority is xdg-dbus-proxy(1), "Policy".

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let levels = names(own: ["org.own"], talk: ["org.talk", "org.tree.*"], see: ["org.see"])
private let owners = [
  "org.own": ":1.1", "org.talk": ":1.2", "org.tree.a": ":1.3", "org.see": ":1.4", "org.hidden": ":1.5", "org.treetop": ":1.6",
]

@Suite("names: what a client may know and do")
struct NamesTests {
  @Test(
    "a call or signal to a name passes from talk on, to the name and to its owner",
    arguments: [
      ("org.own", "passes"), ("org.talk", "passes"), ("org.tree.a", "passes"), ("org.tree", "passes"),
      ("org.see", "AccessDenied"),
      ("org.hidden", "ServiceUnknown"), ("org.treetop", "ServiceUnknown"), ("org.none", "ServiceUnknown"), (":1.1", "passes"),
      (":1.2", "passes"), (":1.3", "passes"), (":1.4", "AccessDenied"), (":1.5", "NameHasNoOwner"), (":1.99", "NameHasNoOwner"),
    ])
  func messages(destination: String, outcome: String) throws {
    let bus = try NamedBus([], levels, owners: owners)
    #expect(try bus.call(destination) == outcome)
    #expect(try bus.call(destination, interface: nil) == outcome)
    #expect(try bus.outcome(.signal(0, to: destination, "Sig")) == (outcome == "passes" ? "passes" : "nothing"))
    #expect(try bus.call(destination, flags: Draft.noReply) == (outcome == "passes" ? "passes" : "nothing"))
    // Who does not want a service started is told what he would be told then.
    let unstarted = outcome == "ServiceUnknown" ? "NameHasNoOwner" : outcome
    #expect(try bus.call(destination, flags: 2) == unstarted)
  }

  @Test(
    "the driver is asked about a name from see on",
    arguments: [
      "GetNameOwner", "NameHasOwner", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "GetConnectionCredentials",
      "GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext",
    ])
  func questions(member: String) throws {
    let bus = try NamedBus([], levels, owners: owners)
    for name in ["org.own", "org.talk", "org.tree.a", "org.see", ":1.1", ":1.4", Rig.name, NamedBus.driver] {
      #expect(try bus.ask(member, .string(name)) == "passes", "\(name)")
    }
    for name in ["org.hidden", "org.treetop", "org.none", ":1.5", ":1.99", ""] {
      #expect(try bus.ask(member, .string(name)) == (member == "NameHasOwner" ? "return" : "NameHasNoOwner"), "\(name)")
    }
    #expect(try bus.ask(member) == "InvalidArgs")
    #expect(try bus.ask(member, .number(1)) == "InvalidArgs")
    // Without INTERFACE, or to another path, the buses take it for the same question.
    for change in [{ $0.interface = nil }, { $0.path = "/" }, { $0.destination = nil }] as [@Sendable (inout Draft) -> Void] {
      let question = Draft.driver(0, member, .string("org.hidden")).changed(change)
      #expect(try bus.outcome(question) == (member == "NameHasOwner" ? "return" : "NameHasNoOwner"))
    }
  }

  @Test("NameHasOwner of a hidden name is answered false")
  func nameHasOwner() throws {
    let bus = try NamedBus([], levels, owners: owners)
    #expect(try bus.ask("NameHasOwner", .string("org.hidden")) == "return")
    let answer = try bus.rig.message(.client)
    #expect(answer.signature == "b" && answer.bytes.suffix(4) == [0, 0, 0, 0])
  }

  @Test(
    "a name is requested, released and its queue asked for from own on",
    arguments: [
      ("org.own", "passes", "passes"), ("org.talk", "AccessDenied", "AccessDenied"), ("org.see", "AccessDenied", "AccessDenied"),
      ("org.hidden", "AccessDenied", "NameHasNoOwner"),
    ])
  func owning(name: String, request: String, queue: String) throws {
    let bus = try NamedBus([], levels, owners: owners)
    #expect(try bus.ask("RequestName", .string(name), .number(0)) == request)
    #expect(try bus.ask("ReleaseName", .string(name)) == request)
    #expect(try bus.ask("ListQueuedOwners", .string(name)) == queue)
  }

  @Test(
    "a service is started from talk on",
    arguments: [("org.own", "passes"), ("org.talk", "passes"), ("org.see", "ServiceUnknown"), ("org.hidden", "ServiceUnknown")])
  func starting(name: String, outcome: String) throws {
    let bus = try NamedBus([], levels, owners: owners)
    #expect(try bus.ask("StartServiceByName", .string(name), .number(0)) == outcome)
  }

  @Test("what a rule opens stays open beside names", arguments: ["RequestName", "StartServiceByName"])
  func rules(member: String) throws {
    let bus = try NamedBus([rule(.outgoing, "org.freedesktop.DBus", [member])], levels, owners: owners)
    #expect(try bus.ask(member, .string("org.hidden"), .number(0)) == "passes")
  }

  @Test(
    "lists of names have those from see on", arguments: ["ListNames", "ListActivatableNames"], [ByteOrder.little, .big])
  func lists(member: String, order: ByteOrder) throws {
    let bus = try NamedBus([], levels, owners: owners)
    #expect(try bus.ask(member) == "passes")
    let call = try bus.rig.messages(.bus)[0].serial
    var answer = Draft.answer(9, to: call, of: Rig.name, from: NamedBus.driver)
    answer.order = order
    bus.rig.feed(answer.with([.strings(bus.list)]), from: .bus)
    let arrived = try bus.rig.message(.client)
    #expect(
      arrived.texts == [
        NamedBus.driver, Rig.name, "org.own", "org.see", "org.talk", "org.tree.a", ":1.1", ":1.2", ":1.3", ":1.4",
      ])
    #expect(arrived.order == order && arrived.serial == 9 && arrived.replySerial == call && arrived.sender == NamedBus.driver)
    #expect(arrived.destination == Rig.name && arrived.type == .methodReturn)
  }

  @Test("a list stays in its place among other messages, and an error instead of it passes")
  func listOrder() throws {
    let bus = try NamedBus([], levels, owners: owners)
    #expect(try bus.ask("ListNames") == "passes")
    #expect(try bus.ask("GetId") == "passes")
    #expect(try bus.ask("ListNames") == "passes")
    let serials = try bus.rig.messages(.bus).map(\.serial)
    let bytes =
      Draft.answer(1, to: serials[0], of: Rig.name, from: NamedBus.driver).with([.strings(["org.hidden"])]).bytes
      + Draft.answer(2, to: serials[1], of: Rig.name, from: NamedBus.driver).with([.string("id")]).bytes
      + Draft.error(3, to: serials[2], of: Rig.name, from: NamedBus.driver).bytes
    bus.rig.feed(bytes, from: .bus)
    #expect(try bus.rig.messages(.client).map(\.replySerial) == serials)
    #expect(try bus.rig.messages(.client)[0].texts == [])
  }

  @Test("a name's broadcasts come in from talk on, whoever else sends the same", arguments: [true, false])
  func broadcasts(isTrusting: Bool) throws {
    var rules = levels
    rules.trustsPeers = isTrusting
    let bus = try NamedBus([], rules, owners: owners)
    for (sender, passes) in [(":1.1", true), (":1.2", true), (":1.3", true), (":1.4", false), (":1.5", false), (":1.99", false)] {
      #expect(try bus.delivers(.signal(0, "Sig", from: sender)) == passes, "\(sender)")
    }
    // What is for the client alone: from anybody in the personality that trusts the bus.
    #expect(try bus.delivers(.signal(0, to: Rig.name, "Sig", from: ":1.2")))
    #expect(try bus.delivers(.signal(0, to: Rig.name, "Sig", from: ":1.5")) == isTrusting)
    #expect(try bus.delivers(.call(0, to: Rig.name, "Do", from: ":1.5")) == isTrusting)
    #expect(try bus.outcome(.signal(0, "Sig")) == (isTrusting ? "passes" : "nothing"))
    #expect(try bus.call(Rig.name) == (isTrusting ? "passes" : "AccessDenied"))
  }

  @Test("a peer that sends the client a message becomes visible, and not more, until it leaves")
  func visiblePeer() throws {
    let bus = try NamedBus([], names(trusting: true))
    try bus.addMatch("type='signal'")
    #expect(try bus.ask("GetConnectionUnixUser", .string(":1.5")) == "NameHasNoOwner")
    #expect(try bus.delivers(.call(0, to: Rig.name, "Do", from: ":1.5")))
    #expect(try bus.ask("GetConnectionUnixUser", .string(":1.5")) == "passes")
    #expect(try bus.ask("GetConnectionUnixUser", .string(":1.6")) == "NameHasNoOwner")
    #expect(try bus.call(":1.5") == "AccessDenied")
    bus.forget()
    bus.leave(":1.6")
    #expect(try bus.rig.summary(.client) == [])
    bus.leave(":1.5")
    #expect(try bus.rig.summary(.client) == ["NameOwnerChanged"])
    #expect(try bus.ask("GetConnectionUnixUser", .string(":1.5")) == "NameHasNoOwner")
  }

  @Test("a message that does not pass makes nobody visible")
  func invisiblePeer() throws {
    let bus = try NamedBus([], names(), owners: ["org.x": ":1.5"])
    #expect(try !bus.delivers(.call(0, to: Rig.name, "Do", from: ":1.5")))
    #expect(try !bus.delivers(.signal(0, "Sig", from: ":1.5")))
    #expect(try bus.ask("GetConnectionUnixUser", .string(":1.5")) == "NameHasNoOwner")
  }

  @Test("all unique names are visible, and no others, if that is asked for")
  func sloppy() throws {
    let bus = try NamedBus([], names(sloppy: true), owners: ["org.x": ":1.5"])
    #expect(try bus.ask("GetConnectionUnixUser", .string(":1.5")) == "passes")
    #expect(try bus.ask("GetNameOwner", .string("org.x")) == "NameHasNoOwner")
    #expect(try bus.call(":1.5") == "AccessDenied")
    try bus.addMatch("type='signal'")
    bus.forget()
    bus.change("org.x", to: ":1.6")
    bus.tell(":1.7", nil, ":1.7")
    #expect(try bus.rig.messages(.client).count == 1)
  }

  @Test("changes of visible names are told to a client that asked for them")
  func changes() throws {
    let bus = try NamedBus([], levels, owners: owners)
    bus.change("org.talk", to: ":1.20")
    #expect(bus.rig.client.stream.isEmpty, "only the gate asked for it")
    try bus.addMatch("type='signal',member='NameOwnerChanged',arg0namespace='org'")
    bus.forget()
    for (name, isTold) in [
      ("org.own", true), ("org.talk", true), ("org.tree.b", true), ("org.see", true), ("org.hidden", false),
      ("org.treetop", false),
    ] {
      let before = try bus.rig.messages(.client).count
      bus.change(name, to: ":1.30")
      #expect(try (bus.rig.messages(.client).count > before) == isTold, "\(name)")
    }
    bus.forget()
    bus.leave(":1.2")
    bus.tell(":1.40", nil, ":1.40")
    #expect(bus.rig.client.stream.isEmpty, "the client asked for names below org only")
  }

  @Test("the client's own names, and its own unique name, are visible to it")
  func ownNames() throws {
    let bus = try NamedBus([rule(.outgoing, "org.freedesktop.DBus", ["RequestName"])], names())
    #expect(try bus.ask("GetNameOwner", .string("org.mine")) == "NameHasNoOwner")
    #expect(try bus.ask("RequestName", .string("org.mine"), .number(0)) == "passes")
    let acquired = Draft.signal(
      1, to: Rig.name, interface: NamedBus.driver, "NameAcquired", path: "/org/freedesktop/DBus", from: NamedBus.driver)
    bus.rig.feed(acquired.with([.string("org.mine")]), from: .bus)
    #expect(try bus.ask("GetNameOwner", .string("org.mine")) == "passes")
    #expect(try bus.ask("ReleaseName", .string("org.mine")) == "passes")
  }

  @Test("a name that a rule without a name lets the client call is no secret afterwards")
  func called() throws {
    let bus = try NamedBus([rule(.outgoing, "org.foo.Bar")], names())
    #expect(try bus.ask("GetNameOwner", .string("org.foo")) == "NameHasNoOwner")
    #expect(try bus.call("org.foo", interface: "org.foo.Baz") == "ServiceUnknown")
    #expect(try bus.call("org.foo") == "passes")
    #expect(try bus.ask("GetNameOwner", .string("org.foo")) == "passes")
    #expect(try bus.ask("GetNameOwner", .string("org.fool")) == "NameHasNoOwner")
    #expect(try bus.call("org.foo", interface: "org.foo.Baz") == "AccessDenied")
  }

  @Test("in audit mode what names hide passes, and the log says so")
  func audit() throws {
    let bus = try NamedBus([], levels, owners: owners) { $0.mode = .audit }
    #expect(try bus.call("org.hidden") == "passes")
    #expect(bus.rig.decisions.last?.verdict.reason == .hidden && bus.rig.decisions.last?.verdict.action == .audit)
    #expect(try bus.ask("GetNameOwner", .string("org.hidden")) == "passes")
    #expect(try bus.ask("ListNames") == "passes")
    #expect(try bus.answerLast(.strings(["org.hidden"]))?.texts == ["org.hidden"])
    try bus.addMatch("type='signal'")
    bus.forget()
    bus.change("org.hidden", to: nil)
    #expect(try bus.rig.summary(.client) == ["NameOwnerChanged"])
  }
}
