// What the bus may bring to the client.

import DBusWire
import GatePolicy

extension Session {
  /// Decides on a message from the bus whose shape and size are in order. Nil: the body is needed to decide.
  @inline(__always)
  mutating func judgeIncoming(
    _ message: RawSpan, _ header: MessageHeader, isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    if isMonitor { return Verdict(.allow, .monitor) }
    if goesTheLongWay && settings.isUnfiltered { return receiveUnfiltered(message, header, isComplete, policy, &output) }
    switch header.frame.type {
    case .methodReturn, .error:
      let verdict = judgeIncomingReply(message, header, isComplete, policy, &output)
      if goesTheLongWay, let verdict, verdict.passes { markVisible(message, header) }
      return verdict
    case .signal:
      if !isAddressedToClient(message, header) { return Verdict(.drop, .notAddressed) }
      if message.bytes(in: header.sender).isEqual(to: Driver.name) {
        return judgeDriverSignal(message, header, isComplete, policy, &output)
      }
      return judgeByRules(message, header, policy)
    case .methodCall:
      if header.destination.isAbsent || !isAddressedToClient(message, header) { return Verdict(.drop, .notAddressed) }
      let verdict = judgeByRules(message, header, policy)
      if verdict.passes && !header.frame.flags.contains(.noReplyExpected) {
        return rememberCall(message, header) ?? verdict
      }
      return verdict
    case let unknown:
      precondition(unknown.rawValue > MessageType.signal.rawValue, "a type that is known was not decided on")
      return Verdict(.drop, .unknownType)
    }
  }

  @inline(__always)
  private mutating func judgeByRules(_ message: RawSpan, _ header: MessageHeader, _ policy: Policy) -> Verdict {
    if goesTheLongWay { return judgeIncomingByName(message, header, policy) }
    let lane = unsafe busLanes.current
    if let lane = unsafe lane, unsafe lane.pointee.match.policy == policy.identity {
      return unsafe byRules(lane.pointee.match.match)
    }
    let match = policy.match(
      RuleQuery(
        direction: .incoming, isSignal: header.frame.type == .signal, interface: message.bytes(in: header.interface),
        path: message.bytes(in: header.path), member: message.bytes(in: header.member), descriptors: Int(header.unixFDs)))
    if let lane = unsafe lane { unsafe lane.pointee.match = Lane.RememberedMatch(match: match, policy: policy.identity) }
    return byRules(match)
  }

  /// Whether a message is for everybody, for the client's unique name, or for a name that it acquired.
  @inline(__always)
  func isAddressedToClient(_ message: RawSpan, _ header: MessageHeader) -> Bool {
    if header.destination.isAbsent { return true }
    let destination = message.bytes(in: header.destination)
    return isUniqueName(destination) || (!acquiredNames.isEmpty && acquiredNames.contains(settings.seed.hash(destination)))
      || (uniqueName.isEmpty && message.bytes(in: header.sender).isEqual(to: Driver.name))
  }

  @inline(__always)
  func isUniqueName(_ name: RawSpan) -> Bool {
    if name.byteCount != uniqueName.count || name.byteCount == 0 { return false }
    return unsafe name.isEqual(to: uniqueName.span.bytes)
  }

  // MARK: Replies

  /// An answer passes once, to a call that was forwarded, from the one who was called.
  @inline(__always)
  mutating func judgeIncomingReply(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    guard let place = outgoingCalls.place(of: header.replySerial) else { return Verdict(.drop, .strayReply) }
    let call = outgoingCalls[place]
    if let reason = reasonAgainst(message, header, answering: call) { return Verdict(.drop, reason) }
    switch call.purpose {
    case .call:
      outgoingCalls.remove(at: place)
      return Verdict(.allow, .reply)
    case .listNames, .ownAddMatch, .ownListNames, .ownGetNameOwner:
      return judgeNamesAnswer(call, message, header, isComplete, policy, &output)
    case .ownNameHasOwner:
      return judgeCallerAnswer(call, message, header, isComplete, &output)
    case .question:
      return judgeQuestionAnswer(call, header, policy, &output)
    case .ownReleaseName:
      return judgeReleaseAnswer(call, message, header, isComplete, &output)
    case .hello, .ownHello, .addMatch, .requestName, .becomeMonitor:
      return judgeDriverAnswer(call, message, header, isComplete, policy, &output)
    }
  }

  /// Why a reply is not the answer to `call`: it comes from another than the one who was called, or goes to another than the client.
  @inline(__always)
  func reasonAgainst(_ message: RawSpan, _ header: MessageHeader, answering call: PendingCall) -> Verdict.Reason? {
    let sender = message.bytes(in: header.sender)
    let isFromCalled =
      switch call.expectedSender {
      case .anyone: true
      // dbus-daemon answers a call without DESTINATION with neither SENDER nor DESTINATION; what a peer sends always has its SENDER.
      case .driver: sender.isEqual(to: Driver.name) || header.sender.isAbsent
      // That nobody has the name, or that its owner left, only the driver can say.
      case .uniqueName:
        settings.seed.hash(sender) == call.detail || (header.frame.type == .error && sender.isEqual(to: Driver.name))
      }
    if !isFromCalled { return .strayReply }
    let isUnaddressed = header.sender.isAbsent && header.destination.isAbsent && call.expectedSender == .driver
    switch call.purpose {
    case .call, .addMatch, .requestName, .listNames, .question:
      return isUnaddressed || isUniqueName(message.bytes(in: header.destination)) ? nil : .notAddressed
    case .becomeMonitor, .ownAddMatch, .ownListNames, .ownGetNameOwner, .ownNameHasOwner, .ownReleaseName:
      return isUniqueName(message.bytes(in: header.destination)) ? nil : .notAddressed
    case .hello, .ownHello:
      return nil  // the name that it is for is what it tells
    }
  }

  private mutating func judgeDriverAnswer(
    _ call: PendingCall, _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy,
    _ output: inout Output
  ) -> Verdict? {
    let succeeded = header.frame.type == .methodReturn
    if call.purpose == .requestName && succeeded {
      if header.frame.messageByteCount > settings.limits.inspectBytesMax { return Verdict(.drop, .inspectTooLong) }
      if !isComplete { return nil }
    }
    if call.purpose == .becomeMonitor && succeeded && !mayMonitor(policy) {
      // What would come from now on is not the client's.
      output.close = .monitorRevoked
      return nil
    }
    outgoingCalls.remove(header.replySerial)
    switch call.purpose {
    case .hello, .ownHello:
      if succeeded { learnUniqueName(message.bytes(in: header.destination), policy, &output) }
      if call.purpose == .ownHello {
        ownHelloSerial = 0
        helloPhase = .answered
        output.requests.formUnion([.resumeClient, .helloDone])
        return Verdict(.drop, .ownHello)
      }
    case .addMatch:
      forget(matches.noteAnswer(call.detail, succeeded: succeeded))
    case .requestName:
      requestedNames.noteAnswer(call.detail, isHeld: succeeded ? holdsName(afterAnswer: message, header) : nil)
    case .becomeMonitor:
      isMonitor = succeeded
      forgetRoutines()
    case .call, .listNames, .question, .ownAddMatch, .ownListNames, .ownGetNameOwner, .ownNameHasOwner, .ownReleaseName:
      preconditionFailure("answered elsewhere")
    }
    return Verdict(.allow, .reply)
  }

  /// Whether RequestName's answer is anything but DBUS_REQUEST_NAME_REPLY_EXISTS (3): the client owns the name or waits for it.
  private func holdsName(afterAnswer message: RawSpan, _ header: MessageHeader) -> Bool {
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    do throws(WireError) {
      return try MessageArguments.uint32(in: body, byteOrder: header.frame.byteOrder) != 3
    } catch {
      return true
    }
  }

  private mutating func learnUniqueName(_ name: RawSpan, _ policy: Policy, _ output: inout Output) {
    if !name.starts(with: UInt8(ascii: ":")) || name.byteCount > ClientNames.nameBytesMax { return }
    uniqueName = unsafe name.withUnsafeBytes { unsafe Array($0) }
    forgetRoutines()
    helloPhase = .answered
    output.requests.formUnion([.resumeClient, .helloDone])
    if names != nil { startFollowing(policy, &output) }
  }

  // MARK: Signals of the driver

  mutating func judgeDriverSignal(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    let interface = message.bytes(in: header.interface)
    let member = message.bytes(in: header.member)
    if Driver.isNeededSignal(interface: interface, member: member) {
      if member.isEqual(to: "NameOwnerChanged") {
        if names != nil { return judgeOwnerChange(message, header, isComplete, policy) }
        return noteLeaving(message, header, isComplete) ? Verdict(.allow, .driver) : nil
      }
      if header.frame.messageByteCount > settings.limits.inspectBytesMax { return Verdict(.drop, .inspectTooLong) }
      if !isComplete { return nil }
      noteName(message, header, isAcquired: member.isEqual(to: "NameAcquired"), policy, &output)
      return Verdict(.allow, .driver)
    }
    // Like its methods: what the driver has beyond what everybody needs never passes by a wildcard.
    let match = policy.matchLiteral(
      RuleQuery(
        direction: .incoming, isSignal: true, interface: interface, path: message.bytes(in: header.path), member: member,
        descriptors: Int(header.unixFDs), name: message.bytes(in: header.sender)))
    switch match.outcome {
    case .none: return Verdict(.deny, .driverClosed)
    case .deny: return Verdict(.deny, .rule, rule: match.rule, log: match.log)
    case .allow: return Verdict(.allow, .rule, rule: match.rule, log: match.log)
    }
  }

  private mutating func noteName(
    _ message: RawSpan, _ header: MessageHeader, isAcquired: Bool, _ policy: Policy, _ output: inout Output
  ) {
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    do throws(WireError) {
      let place = try MessageArguments.leadingString(
        in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature), expected: "s")
      let name = body.extracting(Int(place.offset)..<Int(place.offset) + Int(place.count))
      let hash = settings.seed.hash(name)
      if !isAcquired {
        acquiredNames.remove(hash)
        noteLoss(of: hash)
      } else if name.starts(with: UInt8(ascii: ":")) {
        // A Hello that asked for no answer is answered by this alone.
        if uniqueName.isEmpty { learnUniqueName(name, policy, &output) }
      } else if acquiredNames.count < settings.limits.namesMax {
        acquiredNames.insert(hash)
      }
    } catch {
      return  // a body that the bus never sends: the signal tells nothing
    }
  }
}
