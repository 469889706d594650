// Audit mode: what the rules refuse passes, and what is not theirs to open does not.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("audit mode")
struct AuditTests {
  private static let driver = "org.freedesktop.DBus"

  struct Case: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var message: Draft
    var side: Side
    var rules: [GatewayRule]
    var action: Verdict.Action
    var reason: Verdict.Reason
    /// The type that the message counts as.
    var counted: Int { message.type < SessionCounters.typeCount ? Int(message.type) : 0 }
    init(
      _ text: String, _ message: Draft, from side: Side = .client, rules: [GatewayRule] = [],
      is action: Verdict.Action, _ reason: Verdict.Reason
    ) {
      (testDescription, self.message, self.side, self.rules, self.action, self.reason) = (
        text, message, side, rules, action, reason
      )
    }
  }

  private static let privileged = [
    "UpdateActivationEnvironment", "ReloadConfig", "NoSuchMethod",
  ]

  static let cases: [Case] =
    [
      Case("a call that no rule allows", .call(9, "Do"), is: .audit, .noRule),
      Case("a call that a rule allows", .call(9, "Do"), rules: [rule(.outgoing)], is: .allow, .rule),
      Case(
        "a call that a rule denies", .call(9, "Do"), rules: [rule(.outgoing), rule(.outgoing, "*", ["Do"], deny: true)],
        is: .audit, .rule),
      Case(
        "a call without interface", .call(9, interface: nil, "Do"), rules: [rule(.outgoing, "org.foo.Bar")], is: .audit, .noRule),
      Case("a signal out", .signal(9, "Sig"), is: .audit, .noRule),
      Case("a call in", .call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus, is: .audit, .noRule),
      Case("a signal in", .signal(9, "Sig", from: ":1.5"), from: .bus, is: .audit, .noRule),
      Case("RequestName", Draft.driver(9, "RequestName", .string("org.foo.Own"), .number(0)), is: .audit, .noRule),
      Case(
        "StartServiceByName", Draft.driver(9, "StartServiceByName", .string("org.foo"), .number(0)), is: .audit, .serviceUnknown),
      Case(
        "a method that everybody needs, denied by a rule", .driver(9, "ListNames"),
        rules: [rule(.outgoing, "*", ["ListNames"], deny: true)],
        is: .audit, .rule),

      Case("a stray answer out", .answer(9, to: 4, of: ":1.5"), is: .drop, .strayReply),
      Case("a stray answer in", .answer(9, to: 4, of: Rig.name, from: ":1.5"), from: .bus, is: .drop, .strayReply),
      Case("an unknown type", Draft(type: 77, serial: 9), is: .drop, .unknownType),
      Case("a call to somebody else", .call(9, to: ":1.8", "Do", from: ":1.5"), from: .bus, is: .drop, .notAddressed),
      Case("CONTAINER_INSTANCE", .call(9, "Do").changed { $0.containerInstance = "/c" }, is: .deny, .containerInstance),
      Case("eavesdropping", Draft.driver(9, "AddMatch", .string("eavesdrop='true'")), is: .deny, .eavesdrop),
      Case("a match rule that is none", Draft.driver(9, "AddMatch", .string("no")), is: .deny, .matchRuleInvalid),
      Case(
        "BecomeMonitor", .driver(9, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor"), rules: [rule(.outgoing)],
        is: .deny,
        .driverClosed),
      Case(
        "BecomeMonitor, which a rule allows and a rule denies",
        .driver(9, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor"),
        rules: [
          rule(.outgoing, "org.freedesktop.DBus.Monitoring", ["BecomeMonitor"]),
          rule(.outgoing, "*", ["BecomeMonitor"], deny: true),
        ], is: .deny, .rule),
      Case(
        "a signal of the driver that not everybody needs",
        .signal(9, interface: driver, "ActivatableServicesChanged", path: "/org/freedesktop/DBus", from: driver), from: .bus,
        rules: [rule(.incoming)], is: .deny, .driverClosed),
    ] + privileged.map { Case($0, .driver(9, $0), rules: [rule(.outgoing)], is: .deny, .driverClosed) }

  @Test("passes what the rules refuse, and nothing else", arguments: cases)
  func verdict(of item: Case) throws {
    let rig = try Rig.open(item.rules) {
      $0.mode = .audit
      $0.logging = .everything
    }
    let before = rig.session.counters.messages(from: item.side, item.action, type: item.counted)
    rig.feed(item.message, from: item.side)
    let last = try #require(rig.decisions.last).verdict
    #expect(last.action == item.action && last.reason == item.reason)
    #expect(rig.peer(item.side.other).forwarded == (last.passes ? item.message.bytes : []))
    #expect(last.passes == (item.action == .allow || item.action == .audit))
    #expect(rig.session.counters.messages(from: item.side, item.action, type: item.counted) == before + 1)
  }

  @Test("the twin: enforced, the same message is denied", arguments: cases.filter { $0.action == .audit })
  func enforced(_ item: Case) throws {
    let rig = try Rig.open(item.rules) { $0.logging = .everything }
    rig.feed(item.message, from: item.side)
    let last = try #require(rig.decisions.last).verdict
    #expect(last.action == .deny && last.reason == item.reason)
    #expect(rig.peer(item.side.other).forwarded.isEmpty)
  }

  @Test("an answer to a call that only audit let pass passes once", arguments: [Side.client, .bus])
  func answers(caller: Side) throws {
    let rig = try Rig.open { $0.mode = .audit }
    if caller == .client {
      rig.feed(.call(9, to: ":1.5", "Do"), from: .client)
      for _ in 1...2 { rig.feed(.answer(5, to: 9, of: Rig.name, from: ":1.5"), from: .bus) }
    } else {
      rig.feed(.call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus)
      for _ in 1...2 { rig.feed(.answer(5, to: 9, of: ":1.5"), from: .client) }
    }
    #expect(rig.decisions.map(\.verdict.reason) == [.noRule, .strayReply])
    #expect(try rig.messages(caller).count == 1)
  }

  @Test("what audit lets pass is logged as a denial would be: by default, and not where a rule says no")
  func logging() throws {
    let silent = rule(.outgoing, "*", ["Undo"], deny: true, log: false)
    let rig = try Rig.open([silent]) { $0.mode = .audit }
    rig.feed(Draft.call(9, "Do").bytes + Draft.call(10, "Undo").bytes, from: .client)
    #expect(rig.decisions.map(\.verdict.action) == [.audit])
    #expect(try rig.messages(.bus).count == 2)
  }

  @Test("limits hold", arguments: [4])
  func limits(calls: Int) throws {
    let rig = try Rig.open {
      $0.mode = .audit
      $0.limits.pendingRepliesMax = calls
      $0.limits.namesMax = 1
      $0.limits.descriptorsPerMessageMax = 2
    }
    rig.feed((0..<calls + 1).flatMap { Draft.call(UInt32(10 + $0), "Do").bytes }, from: .client)
    #expect(rig.decisions.map(\.verdict.reason) == Array(repeating: .noRule, count: calls) + [.pendingReplies])
    rig.forget()
    rig.feed(Draft.signal(30, "Sig").changed { $0.unixFDs = 3 }, descriptors: 3, from: .client)
    #expect(rig.decisions.map(\.verdict.reason) == [.tooManyDescriptors])
    #expect(rig.bus.stream.isEmpty)
  }
}
