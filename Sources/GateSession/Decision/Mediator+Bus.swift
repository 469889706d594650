// What the bus may bring to the client.

import DBusWire
import GatePolicy

extension Mediator {
  /// Judges a message of the bus's that is within the limits.
  @inline(__always)
  func judgeFromBus(_ message: MessageView, _ policy: Policy, at now: Instant) -> Progress {
    if registration.isMonitor { return .decided(Verdict(.allow, .monitor)) }
    if settings.isUnfiltered { return receiveUnfiltered(message, policy) }
    switch message.type {
    case .methodReturn, .error:
      return judgeReply(message, policy)
    case .signal:
      if !isAddressedToClient(message) { return .drop(.notAddressed) }
      if message.sender.isEqual(to: Driver.name) { return judgeDriverSignal(message, policy) }
      return .decided(judgeIncoming(message, policy))
    case .methodCall:
      if message.header.destination.isAbsent || !isAddressedToClient(message) { return .drop(.notAddressed) }
      var decision = judgeIncoming(message, policy)
      if decision.verdict.passes && message.wantsReply {
        decision.effect = .expectClientReply(caller: settings.seed.hash(message.sender))
      }
      return .decided(decision)
    case let unknown:
      precondition(unknown.rawValue > MessageType.signal.rawValue, "a type that is known was not decided on")
      return .drop(.unknownType)
    }
  }

  /// Decides on a call or signal that is for the client, and not the driver's.
  @inline(__always)
  private func judgeIncoming(_ message: MessageView, _ policy: Policy) -> Decision {
    if ownership.isJudgedByName { return judgeIncomingByName(message, policy) }
    var decision = Decision(byRules(policy.match(RuleQuery(message, direction: .incoming))))
    decision.validity = lasting
    return decision
  }

  /// Whether a message is for everybody, for the client's unique name, or for a name that it acquired.
  @inline(__always)
  func isAddressedToClient(_ message: MessageView) -> Bool {
    if message.header.destination.isAbsent { return true }
    let destination = message.destination
    return registration.isUniqueName(destination) || names.owns(destination)
      || (!registration.isNamed && message.sender.isEqual(to: Driver.name))
  }

  // MARK: Replies

  /// An answer passes once, to a call that was forwarded, from the one who was called.
  @inline(__always)
  private func judgeReply(_ message: MessageView, _ policy: Policy) -> Progress {
    guard let call = replies.awaited(message.replySerial) else { return .drop(.strayReply) }
    let sender = sender(of: message)
    if let reason = reasonAgainst(message, from: sender, answering: call) { return .drop(reason) }
    if call.purpose != .call { return judgeDriverReply(call, message, policy) }
    var decision = Decision(Verdict(.allow, .reply), .takeReply(sender))
    if ownership.isJudgedByName { decision.reveals = .sender }
    // What comes without an address is an answer of the driver's: it does not come in runs.
    if !message.header.destination.isAbsent && !message.header.sender.isAbsent { decision.validity = lasting }
    return .decided(decision)
  }

  @inline(__always)
  private func sender(of message: MessageView) -> ReplySender {
    ReplySender(
      hash: settings.seed.hash(message.sender),
      isDriver: message.header.sender.isAbsent || message.sender.isEqual(to: Driver.name), isError: message.type == .error)
  }

  /// Why a reply is not the answer to `call`: it comes from another than the one who was called, or goes to another than the client.
  func reasonAgainst(_ message: MessageView, answering call: PendingCall) -> Verdict.Reason? {
    reasonAgainst(message, from: sender(of: message), answering: call)
  }

  @inline(__always)
  private func reasonAgainst(
    _ message: MessageView, from sender: ReplySender, answering call: PendingCall
  ) -> Verdict.Reason? {
    if !sender.mayAnswer(call) { return .strayReply }
    switch call.purpose.entry.addressee {
    case .whoeverItSays: return nil
    case .client: break
    case .clientOrNobody:
      let isUnaddressed = message.header.sender.isAbsent && message.header.destination.isAbsent
      if isUnaddressed && call.expectedSender == .driver { return nil }
    }
    return registration.isUniqueName(message.destination) ? nil : .notAddressed
  }

  // MARK: Signals of the driver

  /// Decides on a signal of the driver's.
  func judgeDriverSignal(_ message: MessageView, _ policy: Policy) -> Progress {
    let member = message.member
    if Driver.isNeededSignal(interface: message.interface, member: member) {
      if member.isEqual(to: "NameOwnerChanged") {
        return ownership.isFollowing ? judgeOwnerChange(message, policy) : judgeLeaving(message)
      }
      if !isShortEnough(message) { return .drop(.inspectTooLong) }
      if !message.isComplete { return .needsBody }
      return .decided(Verdict(.allow, .driver), nameChange(message, isAcquired: member.isEqual(to: "NameAcquired")))
    }
    // Like its methods: what the driver has beyond what everybody needs never passes by a wildcard.
    let match = policy.matchLiteral(
      RuleQuery(
        direction: .incoming, isSignal: true, interface: message.interface, path: message.path, member: member,
        descriptors: message.descriptorCount, name: message.sender))
    switch match.outcome {
    case .none: return .deny(.driverClosed)
    case .deny: return .decided(Verdict(.deny, .rule, rule: match.rule, log: match.log))
    case .allow: return .decided(Verdict(.allow, .rule, rule: match.rule, log: match.log))
    }
  }

  private func nameChange(_ message: MessageView, isAcquired: Bool) -> Effect {
    do throws(WireError) {
      let name = try message.leadingString(expected: "s")
      return .driverSignal(isAcquired ? .acquireName(name) : .loseName(name))
    } catch {
      return .none  // a body that the bus never sends: the signal tells nothing
    }
  }

  /// Decides on the news that an owner changed, where names are not followed: if that is a unique name that left, its calls need no answer
  /// any more.
  private func judgeLeaving(_ message: MessageView) -> Progress {
    let told = Progress.decided(Verdict(.allow, .driver))
    if replies.incomingCount == 0 || !isShortEnough(message) { return told }
    if !message.isComplete { return .needsBody }
    do throws(WireError) {
      let (name, _, owner) = try message.threeStrings()
      return owner.isAbsent ? .decided(Verdict(.allow, .driver), .driverSignal(.forgetCaller(name: name))) : told
    } catch {
      return told
    }
  }

  // MARK: Nothing filtered

  /// Whatever is well-formed passes; the client's name is taken from the answer to Hello.
  @inline(never)
  private func receiveUnfiltered(_ message: MessageView, _ policy: Policy) -> Progress {
    var decision = Decision(Verdict(.allow, .unfiltered))
    decision.validity = lasting
    if registration.phase == .asked {
      var progress: Progress?
      if message.type == .methodReturn, replies.awaited(message.replySerial) != nil {
        progress = judgeReply(message, policy)
      } else if message.type == .signal, message.sender.isEqual(to: Driver.name) {
        // A Hello that asked for no answer is answered by NameAcquired alone.
        progress = judgeDriverSignal(message, policy)
      }
      switch progress {
      case .decided(let found): decision.effect = found.effect
      case .needsBody: return .needsBody
      case nil, .needsBytes, .wait, .close: break
      }
    }
    return .decided(decision)
  }
}
