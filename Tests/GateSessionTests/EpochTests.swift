// The epoch of a mediator: what remembered decisions rest on besides their headers. Each change of that begins another; nothing else does, or
// nothing would be remembered for long.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("what remembered decisions rest on besides their headers")
struct EpochTests {
  private static let driver = NamedBus.driver
  private static let monitoring = "org.freedesktop.DBus.Monitoring"
  private static let rules = [
    rule(.outgoing), rule(.incoming), rule(.outgoing, "*", ["Undo"], deny: true), rule(.outgoing, monitoring, ["BecomeMonitor"]),
    rule(.outgoing, driver, ["RequestName"]),
  ]

  /// Something that happens to a client that has its name, on a bus where it is known who owns what.
  struct Event: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let before: @Sendable (NamedBus) throws -> Void
    let happens: @Sendable (NamedBus) throws -> Void

    init(
      _ description: String, after before: @escaping @Sendable (NamedBus) throws -> Void = { _ in },
      _ happens: @escaping @Sendable (NamedBus) throws -> Void
    ) {
      (testDescription, self.before, self.happens) = (description, before, happens)
    }

    /// How many epochs begin by it.
    func epochs() throws -> UInt64 {
      let bus = try NamedBus(EpochTests.rules, names(talk: ["org.foo"]), owners: ["org.foo": ":1.5", "org.x": ":1.8"])
      try before(bus)
      let first = bus.rig.epoch
      try happens(bus)
      return bus.rig.epoch - first
    }
  }

  private static func tell(_ member: String, _ name: String) -> @Sendable (NamedBus) -> Void {
    { bus in
      bus.rig.feed(
        .signal(9, to: Rig.name, interface: driver, member, path: "/org/freedesktop/DBus", from: driver).with([.string(name)]),
        from: .bus)
    }
  }

  private static func hold(_ isTrue: Bool) { #expect(isTrue) }

  private static func becomeMonitor(_ bus: NamedBus) {
    bus.rig.feed(.driver(50, interface: monitoring, "BecomeMonitor"), from: .client)
  }

  @Test(
    "another epoch begins when",
    arguments: [
      Event("another policy is in force") { bus in
        bus.rig.policy = Policy(rules: rules, busName: "SESSION")
        bus.rig.feed(.signal(9, "Sig"), from: .client)
      },
      Event("the client acquires a name", tell("NameAcquired", "org.a")),
      Event("the client loses a name", after: tell("NameAcquired", "org.a"), tell("NameLost", "org.a")),
      Event("a name that rules ask for has another owner") { bus in bus.tell("org.foo", ":1.5", ":1.9") },
      Event("a name that rules ask for has no owner any more") { bus in bus.tell("org.foo", ":1.5", nil) },
      Event("a peer that owned such a name leaves") { bus in bus.tell(":1.5", ":1.5", nil) },
      Event("a peer becomes visible by a call") { bus in try hold(bus.delivers(.call(0, to: Rig.name, "Do", from: ":1.99"))) },
      Event("a peer becomes visible by a signal") { bus in try hold(bus.delivers(.signal(0, "Sig", from: ":1.99"))) },
      Event("a peer becomes visible by an answer", after: { bus in bus.rig.feed(.call(50, to: "org.x", "Do"), from: .client) }) {
        bus in bus.rig.feed(.answer(9, to: 50, of: Rig.name, from: ":1.8"), from: .bus)
      },
      Event("the connection becomes a monitor", after: becomeMonitor) { bus in
        bus.rig.feed(.answer(9, to: 50, of: Rig.name, from: driver), from: .bus)
      },
      Event("the observer is told of owners") { bus in bus.rig.changeOwner("org.foo", to: ":1.9") },
      Event("the observer loses its bus") { bus in bus.rig.loseOwners(isAwaited: false) },
      Event("the observer has another name") { bus in bus.rig.session.ownersChanged(isObserverNew: true) },
    ])
  func changes(event: Event) throws { #expect(try event.epochs() > 0) }

  @Test(
    "the same epoch goes on when",
    arguments: [
      Event("the client calls") { bus in try hold(bus.call("org.foo") == "passes") },
      Event(
        "a call is answered by a peer that is visible",
        after: { bus in try hold(bus.delivers(.signal(0, "Sig", from: ":1.5"))) }
      ) {
        bus in
        bus.rig.feed(.call(50, to: ":1.5", "Do"), from: .client)
        bus.rig.feed(.answer(9, to: 50, of: Rig.name, from: ":1.5"), from: .bus)
      },
      Event("a call is denied") { bus in try hold(bus.call("org.foo", "Undo") == "AccessDenied") },
      Event("the client adds a match rule") { bus in try bus.addMatch("type='signal'") },
      Event("the client asks for a name and does not get it") { bus in
        try hold(bus.ask("RequestName", .string("org.foo.Own"), .number(0)) == "passes")
        _ = try bus.answerLast(.number(3))
      },
      Event("the client asks to become a monitor", becomeMonitor),
      Event("a peer says something again", after: { bus in try hold(bus.delivers(.signal(0, "Sig", from: ":1.98"))) }) { bus in
        try hold(bus.delivers(.signal(0, "Sig", from: ":1.98")))
      },
      Event("a name that nobody asks for has another owner") { bus in bus.tell("org.y", ":1.5", ":1.9") },
      Event("a peer leaves of which nothing is known") { bus in bus.tell(":1.77", ":1.77", nil) },
    ])
  func others(event: Event) throws { #expect(try event.epochs() == 0) }

  @Test("another policy begins one, also where no names are followed; the same policy does not", arguments: [true, false])
  func policy(isAnother: Bool) throws {
    let rig = try Rig.open(Self.rules)
    let before = rig.epoch
    rig.policy = isAnother ? Policy(rules: Self.rules, busName: "SESSION") : rig.policy
    #expect(rig.epoch == before, "it is not in force before a message is judged by it")
    rig.feed(.signal(9, "Sig"), from: .client)
    #expect((rig.epoch != before) == isAnother)
  }

  @Test("the client's unique name begins one, whoever said Hello; a refused Hello does not", arguments: [true, false])
  func uniqueName(isRefused: Bool) {
    let rig = Rig([])
    rig.authenticate()
    rig.feed(.driver(1, "Hello"), from: .client)
    let before = rig.epoch
    let refusal = Draft.error(1, to: 1, of: nil, from: Self.driver)
    let answer = Draft.answer(1, to: 1, of: Rig.name, from: Self.driver).with([.string(Rig.name)])
    rig.feed(isRefused ? refusal : answer, from: .bus)
    #expect(rig.name == (isRefused ? "" : Rig.name) && (rig.epoch == before) == isRefused)
  }

  @Test(
    "what the observer is told of owners begins none where no names are followed; its own name does", arguments: [true, false])
  func withoutNames(isObserverNew: Bool) throws {
    let rig = try Rig.open(Self.rules)
    let before = rig.epoch
    rig.session.ownersChanged(isObserverNew: isObserverNew)
    #expect((rig.epoch != before) == isObserverNew)
  }

  @Test("it is known who owns what: that begins one")
  func ownersKnown() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: ["org.foo": ":1.5"], isAnswering: false)
    let before = bus.rig.epoch
    bus.isAnswering = true
    bus.answerGate()
    #expect(bus.rig.knowsOwners && bus.rig.epoch != before)
  }
}
