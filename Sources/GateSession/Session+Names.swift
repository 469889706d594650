// How calls and signals are judged when names are followed: by whom they go to or come from, besides what they say. Called by
// Session+Outgoing and Session+Incoming instead of asking the rules alone. Also the gate that filters nothing.
//
// Not on the way of a session whose policy has no names.

import DBusWire
import GatePolicy

extension Session {
  // MARK: Outgoing

  /// Until it is known who owns what, nothing can be judged but Hello. (Before Hello a bus serves nobody, so that nothing waits.) For a
  /// monitor it will never be known: what it says is judged by the names it uses, and ends its connection to the bus anyway.
  private func mustWaitForNames(_ message: RawSpan, _ header: MessageHeader) -> Bool {
    guard let names, helloPhase != .unsaid, !isMonitor else { return false }
    return !names.isReady && !isHello(message, header)
  }

  /// Decides on a call or signal of the client. Nil: the body is needed to decide, or it has to wait; the output says which.
  @inline(never)
  mutating func judgeCallOrSignalByName(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    if mustWaitForNames(message, header) {
      output.wait = .serial
      return nil
    }
    let isSignal = header.frame.type == .signal
    let destination = message.bytes(in: header.destination)
    if destination.isEqual(to: Driver.name) || (destination.byteCount == 0 && !isSignal) {
      return judgeDriverCall(message, header, isComplete, policy, &output)
    }
    let isUnique = destination.starts(with: UInt8(ascii: ":"))
    let hash = settings.seed.hash(destination)
    guard var peer = isUnique ? receiver(destination, hash, policy) : MessagePeer() else {
      output.wait = .owners
      return nil
    }
    peer.isBroadcast = destination.byteCount == 0
    let match = policy.match(
      RuleQuery(
        direction: .outgoing, isSignal: isSignal, interface: message.bytes(in: header.interface),
        path: message.bytes(in: header.path), member: message.bytes(in: header.member), descriptors: Int(header.unixFDs),
        name: destination), peer: peer)
    var verdict = byRules(match)
    if match.outcome == .none, policy.names?.trustsPeers ?? false, peer.isBroadcast || isUniqueName(destination) {
      verdict = Verdict(.allow, .unfilteredPeer)
    }
    if verdict.action != .allow { verdict = explainByName(verdict, destination, header, peer, policy) }
    if !verdict.passes || isSignal { return verdict }
    if verdict.action == .allow && !isUnique { noteCall(to: destination, hash, policy) }
    if header.frame.flags.contains(.noReplyExpected) { return verdict }
    let call = PendingCall(
      serial: header.frame.serial, purpose: .call, expectedSender: isUnique ? .uniqueName : .anyone, detail: isUnique ? hash : 0)
    return expect(call) ?? verdict
  }

  /// What the sender of a refused message is told: of a name that is not visible, what it would be told if nobody had it.
  private func explainByName(
    _ verdict: Verdict, _ destination: RawSpan, _ header: MessageHeader, _ peer: MessagePeer, _ policy: Policy
  ) -> Verdict {
    var verdict = verdict
    if policy.names != nil && destination.byteCount > 0 && level(of: destination, policy) < .see {
      let isUnique = destination.starts(with: UInt8(ascii: ":"))
      verdict.reason = isUnique || header.frame.flags.contains(.noAutoStart) ? .hiddenOwner : .hidden
    } else if peer.mayOwnMore && verdict.reason == .rule {
      verdict.reason = ownerKnowledge(for: policy) == .known ? .owners : .ownersUnknown
    }
    return verdict
  }

  /// A name that no pattern matches was called as a rule allowed: it is no secret any more.
  private mutating func noteCall(to name: RawSpan, _ hash: UInt64, _ policy: Policy) {
    guard let names, policy.names != nil, names.called.count < settings.limits.ownersMax, !names.called.contains(hash) else {
      return
    }
    if policy.level(of: name) < .see { names.called.insert(hash) }
  }

  // MARK: Incoming

  /// Decides on a call or signal that is for the client, and not the driver's.
  @inline(never)
  mutating func judgeIncomingByName(_ message: RawSpan, _ header: MessageHeader, _ policy: Policy) -> Verdict {
    let isSignal = header.frame.type == .signal
    let sender = message.bytes(in: header.sender)
    var peer = self.peer(settings.seed.hash(sender))
    peer.isBroadcast = isSignal && header.destination.isAbsent
    let match = policy.match(
      RuleQuery(
        direction: .incoming, isSignal: isSignal, interface: message.bytes(in: header.interface),
        path: message.bytes(in: header.path), member: message.bytes(in: header.member), descriptors: Int(header.unixFDs)),
      peer: peer)
    var verdict = byRules(match)
    if match.outcome == .none, policy.names?.trustsPeers ?? false, !peer.isBroadcast {
      verdict = Verdict(.allow, .unfilteredPeer)
    }
    if verdict.passes {
      markVisible(message, header)
    } else if peer.mayOwnMore && verdict.reason == .rule && names?.table.isIncomplete ?? false {
      verdict.reason = .owners
    }
    return verdict
  }

  /// Whoever sends the client a message is visible to it from then on.
  @inline(never)
  mutating func markVisible(_ message: RawSpan, _ header: MessageHeader) {
    let sender = message.bytes(in: header.sender)
    guard let names, sender.starts(with: UInt8(ascii: ":")), !isUniqueName(sender) else { return }
    if names.table.markVisible(settings.seed.hash(sender)) { forgetRoutines() }
  }

  // MARK: What is known of a name

  /// What rules may ask of the unique name with this hash.
  private func peer(_ hash: UInt64) -> MessagePeer {
    guard let names else { return MessagePeer() }
    var peer = names.table.peer(hash)
    peer.mayOwnMore = !names.isReady || names.table.isIncomplete
    return peer
  }

  /// What rules may ask of the unique name that a message of the client is for. This connection's own stream may be behind, since its client
  /// does not read it, or the bus had no room for more; so it is the directory that says what that name owns. Nil: it soon will.
  private func receiver(_ unique: RawSpan, _ hash: UInt64, _ policy: Policy) -> MessagePeer? {
    var peer = self.peer(hash)
    if !policy.followsNames { return peer }
    switch ownerKnowledge(for: policy) {
    case .awaited: return nil
    case .known: owners.describe(&peer, named: unique, for: policy.identity)
    case .unknown: peer.mayOwnMore = true
    }
    return peer
  }

  /// What the directory says of this session's bus.
  private func ownerKnowledge(for policy: Policy) -> OwnerDirectory.Knowledge {
    let knowledge = owners.knowledge(for: policy.identity)
    return knowledge == .known && !owners.isAbout(knownBus) ? .unknown : knowledge
  }

  /// How far the client knows of `name`, for what the driver is asked.
  func level(of name: RawSpan, _ policy: Policy) -> NameLevel {
    if name.isEqual(to: Driver.name) || isUniqueName(name) { return .talk }
    let hash = settings.seed.hash(name)
    if !name.starts(with: UInt8(ascii: ":")) {
      if acquiredNames.contains(hash) { return .own }
      return max(policy.level(of: name), names?.called.contains(hash) ?? false ? .talk : .none)
    }
    if let names, let everOwned = names.table.everOwned(hash) {
      let level = policy.level(of: everOwned)
      if level > .none { return level }
      if names.table.isContact(hash) { return .see }
    }
    return policy.names?.showsUniqueNames ?? false ? .see : .none
  }

  /// Whether the client may talk to `name` whatever rules say: by `names`, or because it is the driver's or the client's own.
  func talks(to name: RawSpan, _ policy: Policy) -> Bool {
    guard let names = policy.names else { return false }
    if name.starts(with: UInt8(ascii: ":")) || name.isEqual(to: Driver.name) { return level(of: name, policy) >= .talk }
    return acquiredNames.contains(settings.seed.hash(name)) || names.talks(to: name)
  }

  // MARK: Nothing filtered

  @inline(never)
  mutating func passUnfiltered(_ message: RawSpan, _ header: MessageHeader) -> Verdict {
    let verdict = Verdict(.allow, .unfiltered)
    // Who the client is must be known all the same: connections without a Hello are counted.
    if helloPhase == .unsaid && isHello(message, header) {
      helloPhase = .asked
      _ = outgoingCalls.insert(PendingCall(serial: header.frame.serial, purpose: .hello, expectedSender: .driver, detail: 0))
    }
    return verdict
  }

  @inline(never)
  mutating func receiveUnfiltered(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    if helloPhase == .asked {
      if header.frame.type == .methodReturn, outgoingCalls.contains(header.replySerial) {
        _ = judgeIncomingReply(message, header, isComplete, policy, &output)
      } else if header.frame.type == .signal, message.bytes(in: header.sender).isEqual(to: Driver.name) {
        // A Hello that asked for no answer is answered by NameAcquired alone.
        if judgeDriverSignal(message, header, isComplete, policy, &output) == nil { return nil }
      }
    }
    return Verdict(.allow, .unfiltered)
  }
}
