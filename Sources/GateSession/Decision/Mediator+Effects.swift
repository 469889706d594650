// Where decisions take effect: all that they change is changed here, and undone here.

import DBusWire
import GatePolicy

extension Mediator {
  /// Does what `decision`, about `message`, changes: all of it, or nothing.
  ///
  /// - Returns: Why it cannot be done, if a table has no room: the message is refused for that.
  @inline(__always)
  mutating func apply(
    _ decision: Decision, _ message: MessageView, _ policy: Policy, _ output: inout Output
  ) -> Verdict.Reason? {
    switch decision.effect {
    case .none:
      return nil
    case .expectReply(let purpose, let sender, let detail):
      return replies.expect(
        PendingCall(serial: message.serial, purpose: purpose, expectedSender: sender, detail: detail))
    case .takeReply(let sender):
      let isTaken = replies.take(message.replySerial, from: sender)
      precondition(isTaken, "an answer to a call that nobody made")
      return nil
    case .expectClientReply(let caller):
      return expectClientReply(caller, message)
    case .takeClientReply(let caller):
      let isTaken = replies.takeClientReply(to: caller, message.replySerial)
      precondition(isTaken, "an answer to a call that nobody made")
      return nil
    case .replaceReply:
      replies.remove(message.replySerial)
      replaceReply(decision.verdict, message, .bus, policy)
      return nil
    case .replaceClientReply(let caller):
      let isTaken = replies.takeClientReply(to: caller, message.replySerial)
      precondition(isTaken, "an answer to a call that nobody made")
      replaceReply(decision.verdict, message, .client, policy)
      return nil
    case .driverCall(let effect):
      return apply(effect, message, policy)
    case .driverReply(let effect):
      apply(effect, message, policy, &output)
      return nil
    case .driverSignal(let effect):
      apply(effect, message, policy, &output)
      return nil
    }
  }

  /// What becomes of the call that an answer is for, if the answer is denied: who waits for it is told why.
  @inline(never)
  func replacement(of message: MessageView, _ side: Side) -> Effect {
    switch side {
    case .client:
      guard let caller = callerAnswered(by: message) else { return .none }
      return .replaceClientReply(caller: caller)
    case .bus:
      guard message.replySerial != 0, let call = replies.awaited(message.replySerial), call.purpose.entry.isReplaceable,
        reasonAgainst(message, answering: call) == nil
      else { return .none }
      return .replaceReply
    }
  }

  /// The message was to be forwarded and cannot be: what it changed is undone. Only what may carry descriptors comes here; none of the
  /// driver's methods whose arguments are looked into does.
  mutating func revert(_ message: MessageView, from side: Side) {
    if !message.wantsReply { return }
    switch side {
    case .client:
      if replies.awaited(message.serial) != nil { replies.remove(message.serial) }
    case .bus:
      _ = replies.takeClientReply(to: settings.seed.hash(message.sender), message.serial)
    }
  }

  // MARK: What the client asks the driver

  @inline(never)
  private mutating func apply(_ effect: DriverCallEffect, _ message: MessageView, _ policy: Policy) -> Verdict.Reason? {
    switch effect {
    case .hello:
      registration.ask()
      return expectDriverReply(.hello, message)
    case .repeatHello:
      repeatHelloReply(message)
      return nil
    case .addMatch(let change):
      return addMatch(change, message)
    case .removeMatch(let change):
      return removeMatch(change, message)
    case .requestName(let hash, let name, let isCertain):
      if let reason = expectDriverReply(isCertain ? .requestName : .call, message, detail: names.number(of: hash)) {
        return reason
      }
      names.request(hash, message.bytes.bytes(in: name), path: message.path, wantsReply: isCertain)
      return nil
    case .releaseName(let hash):
      if let reason = expectDriverReply(.call, message) { return reason }
      names.release(hash)
      return nil
    case .askAboutName(let place, let kind):
      if let reason = expectDriverReply(.question, message, detail: policy.identity) { return reason }
      let name = unsafe message.bytes.bytes(in: place).withUnsafeBytes { unsafe Array($0) }
      replies.note(NameQuestion(serial: message.serial, name: name, kind: kind))
      return nil
    case .answerNobody:
      if message.wantsReply { answerNobody(message, to: message.serial) }
      return nil
    }
  }

  private mutating func expectDriverReply(
    _ purpose: CallPurpose, _ message: MessageView, detail: UInt64 = 0
  ) -> Verdict.Reason? {
    if !message.wantsReply { return nil }
    return replies.expect(
      PendingCall(serial: message.serial, purpose: purpose, expectedSender: .driver, detail: detail))
  }

  // MARK: What the driver answers

  @inline(never)
  private mutating func apply(
    _ effect: DriverReplyEffect, _ message: MessageView, _ policy: Policy, _ output: inout Output
  ) {
    switch effect {
    case .hello(let name, let isOwn):
      replies.remove(message.replySerial)
      if !name.isAbsent { learnUniqueName(message.bytes.bytes(in: name), policy, &output) }
      if isOwn {
        registration.takeOwnReply()
        output.requests.formUnion([.resumeClient, .helloDone])
      }
    case .addMatch(let number, let succeeded):
      replies.remove(message.replySerial)
      forgetMatch(matches.noteAnswer(number, succeeded: succeeded))
    case .requestName(let number, let isHeld):
      replies.remove(message.replySerial)
      names.noteReply(number, isHeld: isHeld)
    case .becomeMonitor(let succeeded):
      replies.remove(message.replySerial)
      registration.setMonitor(succeeded)
      invalidate()
    case .question, .listNames:
      replies.remove(message.replySerial)
    case .replaceQuestion:
      replies.remove(message.replySerial)
      answerNobody(message, to: message.replySerial)
    case .filterNames:
      replies.remove(message.replySerial)
      sendVisibleNames(of: message, policy)
    case .ownNames(let purpose, let detail, let isTooLong):
      takeNamesReply(purpose, detail: detail, message, isTooLong: isTooLong, policy, &output)
    case .caller(let caller, let isGone):
      takeOwnReply(message, &output)
      if isGone { replies.forget(caller: caller) }
    case .releaseName(let name, let outcome):
      takeOwnReply(message, &output)
      takeRelease(name, outcome, &output)
    }
  }

  // MARK: What the driver tells

  @inline(never)
  private mutating func apply(
    _ effect: DriverSignalEffect, _ message: MessageView, _ policy: Policy, _ output: inout Output
  ) {
    switch effect {
    case .acquireName(let place):
      let name = message.bytes.bytes(in: place)
      if name.starts(with: UInt8(ascii: ":")) {
        // A Hello that asked for no answer is answered by this alone.
        if !registration.isNamed { learnUniqueName(name, policy, &output) }
      } else {
        names.acquire(settings.seed.hash(name))
        invalidate()
      }
    case .loseName(let place):
      names.lose(settings.seed.hash(message.bytes.bytes(in: place)))
      invalidate()
    case .changeOwner(let place, let owner):
      let name = message.bytes.bytes(in: place)
      noteOwner(of: name, message.bytes.bytes(in: owner), policy)
      if owner.isAbsent { replies.forget(caller: settings.seed.hash(name)) }
    case .forgetCaller(let place):
      replies.forget(caller: settings.seed.hash(message.bytes.bytes(in: place)))
    }
  }

  private mutating func learnUniqueName(_ name: RawSpan, _ policy: Policy, _ output: inout Output) {
    if !registration.take(name) { return }
    invalidate()
    output.requests.formUnion([.resumeClient, .helloDone])
    if ownership.isFollowing { startFollowing(policy, &output) }
  }
}
