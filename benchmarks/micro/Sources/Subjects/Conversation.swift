// A session between two peers that are arrays, opened once and then given the same bytes again and again.

import DBusWire
import GatePolicy
import GateSession

final class Conversation {
  static let guid = "0123456789abcdef0123456789abcdef"
  static let bus = BusIdentity(guid: Array(guid.utf8).span.bytes, unixFDs: true)!

  private let policy: Policy
  private var session: Session
  private var output = Output()
  private let now = Instant(milliseconds: 1_000)

  init(rules: [GatewayRule]) {
    policy = Policy(rules: rules, busName: "SESSION")
    session = Session(
      settings: SessionSettings(), peerUID: 1000, ownUID: 1000, bus: Conversation.bus, owners: OwnerDirectory(ownersMax: 1),
      at: now)
    feed(Array("\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".utf8), from: .client)
    feed(Message.hello(), from: .client)
    feed(Array("OK \(Conversation.guid)\r\nAGREE_UNIX_FD\r\n".utf8), from: .bus)
    feed(Message.helloAnswer(), from: .bus)
    precondition(session.isOpen && session.name == Message.client, "the session is not open")
  }

  var pendingReplies: Int { session.pendingReplies(.outgoing) }

  /// `bytes` come from `side` in one read, and all of them are dealt with. What the session has to say itself is taken at once.
  func feed(_ bytes: [UInt8], from side: Side) {
    var start = 0, turns = 0
    while start < bytes.count {
      output.removeAll()
      start += session.receive(
        bytes.span.bytes.extracting(start..<bytes.count), from: side, descriptors: 0, policy: policy, at: now, into: &output)
      if output.requests.contains(.connectBus) { _ = session.busConnected(at: now, over: .unix) }
      for side in [Side.client, .bus] where session.localOutputCount(to: side) > 0 {
        session.localOutputSent(session.localOutputCount(to: side), to: side)
      }
      turns += 1
      precondition(output.close == nil && turns < bytes.count, "the session does not go on: \(output.wait)")
    }
  }
}
