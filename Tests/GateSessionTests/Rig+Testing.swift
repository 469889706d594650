// The rig in the hands of unit tests: rules without a document, a session that is open, and what arrived, with failed requirements as
// test failures.

import DBusWire
import GatePolicy
import GateSimulation
import Testing

@testable import GateSession

typealias Rig = GateSimulation.Rig
typealias Draft = GateSimulation.Draft
typealias Arrived = GateSimulation.Arrived

/// A rule as tests write it. Nil methods: every method.
func rule(
  _ direction: Direction, _ interface: String = "*", _ methods: [String] = ["*"], path: String = "*", calls: Bool = true,
  signals: Bool = true, maxFDs: Int? = nil, deny: Bool = false, log: Bool? = nil, name: String? = nil
) -> GatewayRule {
  GatewayRule(
    outgoing: direction == .outgoing, incoming: direction == .incoming, interface: Glob(Array(interface.utf8)),
    objectPath: Glob(Array(path.utf8)), methods: methods.map { Glob(Array($0.utf8)) }, methodCalls: calls, signals: signals,
    maxFDs: maxFDs, action: deny ? .deny : .allow, log: log, location: SourceLocation(file: "test.json", line: 1, column: 1),
    name: name.map { try! NamePattern(Array($0.utf8)) })
}

extension Rig {
  convenience init(
    _ rules: [GatewayRule] = [], known: BusIdentity? = Rig.identity, peerUID: UInt32? = 1000,
    _ configure: (inout SessionSettings) -> Void = { _ in }
  ) {
    self.init(policy: Policy(rules: rules, busName: "SESSION"), known: known, peerUID: peerUID, configure)
  }

  /// A session whose client has its name.
  static func open(
    _ rules: [GatewayRule] = [], unixFDs: Bool = true, _ configure: (inout SessionSettings) -> Void = { _ in }
  ) throws -> Rig {
    let rig = Rig(rules, configure)
    rig.authenticate(unixFDs: unixFDs)
    try rig.hello()
    return rig
  }

  /// The client says Hello and becomes `Rig.name`.
  ///
  /// - Parameter keeping: Whether what the gate asks for then is kept.
  func hello(keeping: Bool = false) throws {
    feed(.driver(1, "Hello"), from: .client)
    feed(.answer(1, to: 1, of: Rig.name, from: "org.freedesktop.DBus").with([.string(Rig.name)]), from: .bus)
    try #require(name == Rig.name)
    if !keeping { forget() }
  }

  func messages(_ side: Side) throws -> [Arrived] {
    let (messages, rest) = try Arrived.all(in: peer(side).stream)
    try #require(rest.isEmpty, "what arrived ends within a message")
    return messages
  }

  /// The one message that arrived.
  func message(_ side: Side) throws -> Arrived {
    let messages = try messages(side)
    try #require(messages.count == 1, "\(messages.map(\.summary))")
    return messages[0]
  }

  func summary(_ side: Side) throws -> [String] { try messages(side).map(\.summary) }

  var followsNames: Bool { session.mediator.ownership.isFollowing }
  var knowsOwners: Bool { followsNames && session.mediator.ownership.isKnown }
  var isJudgedByName: Bool { session.mediator.ownership.isJudgedByName }
  var isHelloAnswered: Bool { session.mediator.registration.phase == .answered }
  func saidOnlyHello(unconsumed: Int) -> Bool { session.saidOnlyHello(unconsumed: unconsumed) }
  var pendingReplies: Int { session.pendingReplies(.outgoing) }
}
