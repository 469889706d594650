// How calls and signals are judged when names are followed: by whom they go to or come from, besides what they say.
//
// Not on the way of a session whose policy has no names.

import DBusWire
import GatePolicy

extension Mediator {
  // MARK: Outgoing

  /// Decides on a call or signal of the client's to a peer, or to everybody.
  @inline(never)
  func judgeByName(_ message: MessageView, _ policy: Policy) -> Progress {
    let destination = message.destination
    let isUnique = destination.starts(with: UInt8(ascii: ":"))
    let hash = settings.seed.hash(destination)
    guard var peer = isUnique ? ownership.receiver(destination, hash, policy) : MessagePeer() else { return .wait(.owners) }
    peer.isBroadcast = destination.byteCount == 0
    let match = policy.match(RuleQuery(message, direction: .outgoing), peer: peer)
    var verdict = byRules(match)
    if match.outcome == .none, policy.names?.trustsPeers ?? false,
      peer.isBroadcast || registration.isUniqueName(destination)
    {
      verdict = Verdict(.allow, .unfilteredPeer)
    }
    if verdict.action != .allow { explainByName(&verdict, message, peer, policy) }
    var decision = Decision(verdict)
    // Another reason than the rules' rests on what the client knows of the name, and that changes; in audit mode the log has it.
    if verdict.action == .allow || verdict.reason == .rule || verdict.reason == .noRule { decision.validity = lasting }
    if !verdict.passes || message.type == .signal { return .decided(decision) }
    if verdict.action == .allow && !isUnique { decision.reveals = .destination }
    if message.wantsReply {
      decision.effect = .expectReply(.call, isUnique ? .uniqueName : .anyone, detail: isUnique ? hash : 0)
    }
    return .decided(decision)
  }

  /// What the sender of a refused message is told: of a name that is not visible, what it would be told if nobody had it.
  private func explainByName(_ verdict: inout Verdict, _ message: MessageView, _ peer: MessagePeer, _ policy: Policy) {
    let destination = message.destination
    if policy.names != nil && destination.byteCount > 0 && level(of: destination, policy) < .see {
      let isUnique = destination.starts(with: UInt8(ascii: ":"))
      verdict.reason = isUnique || message.header.frame.flags.contains(.noAutoStart) ? .hiddenOwner : .hidden
    } else if peer.mayOwnMore && verdict.reason == .rule {
      verdict.reason = ownership.knowledge(for: policy) == .known ? .owners : .ownersUnknown
    }
  }

  // MARK: Incoming

  /// Decides on a call or signal that is for the client, and not the driver's.
  @inline(never)
  func judgeIncomingByName(_ message: MessageView, _ policy: Policy) -> Decision {
    var peer = ownership.peer(settings.seed.hash(message.sender))
    peer.isBroadcast = message.type == .signal && message.header.destination.isAbsent
    let match = policy.match(RuleQuery(message, direction: .incoming), peer: peer)
    var verdict = byRules(match)
    if match.outcome == .none, policy.names?.trustsPeers ?? false, !peer.isBroadcast {
      verdict = Verdict(.allow, .unfilteredPeer)
    }
    if !verdict.passes && peer.mayOwnMore && verdict.reason == .rule && ownership.isIncomplete { verdict.reason = .owners }
    var decision = Decision(verdict)
    decision.reveals = .sender
    if verdict.passes || verdict.reason == .rule || verdict.reason == .noRule { decision.validity = lasting }
    return decision
  }

  // MARK: What the client knows

  /// A message passes that makes somebody visible.
  @inline(never)
  mutating func reveal(_ reveals: Decision.Reveals, _ message: MessageView, _ policy: Policy) {
    switch reveals {
    case .nobody: break
    case .destination: ownership.noteCalled(message.destination, policy)
    case .sender:
      let sender = message.sender
      if !sender.starts(with: UInt8(ascii: ":")) || registration.isUniqueName(sender) { return }
      if ownership.markVisible(settings.seed.hash(sender)) { invalidate() }
    }
  }

  /// How far the client knows of `name`, for what the driver is asked.
  func level(of name: RawSpan, _ policy: Policy) -> NameLevel {
    if name.isEqual(to: Driver.name) || registration.isUniqueName(name) { return .talk }
    let hash = settings.seed.hash(name)
    if name.starts(with: UInt8(ascii: ":")) { return ownership.level(ofUnique: hash, policy) }
    return names.owns(hash) ? .own : ownership.level(ofWellKnown: name, hash, policy)
  }

  /// Whether the client may talk to `name` whatever rules say: by `names`, or because it is the driver's or the client's own.
  func talks(to name: RawSpan, _ policy: Policy) -> Bool {
    guard let visible = policy.names else { return false }
    if name.starts(with: UInt8(ascii: ":")) || name.isEqual(to: Driver.name) { return level(of: name, policy) >= .talk }
    return names.owns(settings.seed.hash(name)) || visible.talks(to: name)
  }
}
