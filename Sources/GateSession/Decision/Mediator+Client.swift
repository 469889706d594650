// What the client may say to the bus. What the rules' word comes to, a denial or not, stands in Mediator+Audit.

import DBusWire
import GatePolicy

extension Mediator {
  /// Judges a message of the client's that is within the limits and can be decided on now.
  @inline(__always)
  func judgeFromClient(_ message: MessageView, _ policy: Policy, at now: Instant) -> Progress {
    if settings.isUnfiltered { return .decided(unfiltered(message)) }
    switch message.type {
    case .methodCall, .signal:
      let destination = message.destination
      // A call without destination is the driver's, if anybody's: no other peer can get it.
      if destination.isEqual(to: Driver.name) || (destination.byteCount == 0 && message.type == .methodCall) {
        return judgeDriverCall(message, policy)
      }
      if ownership.isJudgedByName { return judgeByName(message, policy) }
      return .decided(judgeByRules(message, to: destination, policy))
    case .methodReturn, .error:
      // An answer passes once, to the caller whose call was forwarded and who asked for it.
      guard let caller = callerAnswered(by: message) else { return .drop(.strayReply) }
      var decision = Decision(Verdict(.allow, .reply), .takeClientReply(caller: caller))
      decision.validity = lasting
      return .decided(decision)
    case let unknown:
      precondition(unknown.rawValue > MessageType.signal.rawValue, "a type that is known was not decided on")
      return .drop(.unknownType)
    }
  }

  /// Decides on a call or signal to a peer by what it says alone.
  @inline(__always)
  private func judgeByRules(_ message: MessageView, to destination: RawSpan, _ policy: Policy) -> Decision {
    // Without a name: nobody asks for it here.
    let query = RuleQuery(
      direction: .outgoing, isSignal: message.type == .signal, interface: message.interface, path: message.path,
      member: message.member, descriptors: message.descriptorCount)
    var decision = Decision(byRules(policy.match(query)))
    if decision.verdict.passes && message.wantsReply {
      // A unique name answers for itself; a well-known name is answered for by whoever owns it.
      let isUnique = destination.starts(with: UInt8(ascii: ":"))
      decision.effect = .expectReply(
        .call, isUnique ? .uniqueName : .anyone, detail: isUnique ? settings.seed.hash(destination) : 0)
    }
    decision.validity = lasting
    return decision
  }

  /// The hash of the caller whose call a message of the client's answers; nil: it answers none.
  func callerAnswered(by message: MessageView) -> UInt64? {
    if message.header.destination.isAbsent { return nil }
    let caller = settings.seed.hash(message.destination)
    return replies.mayClientReply(to: caller, message.replySerial) ? caller : nil
  }

  /// Whatever is well-formed passes where nothing is filtered. Who the client is must be known all the same: connections without a Hello are
  /// counted.
  @inline(never)
  private func unfiltered(_ message: MessageView) -> Decision {
    var decision = Decision(Verdict(.allow, .unfiltered))
    if registration.phase == .unsaid && isHello(message) {
      decision.effect = .driverCall(.hello)
    } else {
      decision.validity = lasting
    }
    return decision
  }
}
