// What the client may say to the bus.

import DBusWire
import GatePolicy

extension Session {
  /// Decides on a message from the client whose shape and size are in order. Nil: the body is needed to decide, or the serial is
  /// taken for now; the output says which.
  @inline(__always)
  mutating func judgeOutgoing(
    _ message: RawSpan, _ header: MessageHeader, isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    if busPhase != .open {
      switch judgeBeforeBus(message, header, &output) {
      case .refused(let verdict): return verdict
      case .waits: return nil
      case .isHello: break
      }
    }
    if goesTheLongWay && settings.isUnfiltered { return passUnfiltered(message, header) }
    if settings.tellsOwners, !noteMention(message, header, isComplete: isComplete) { return nil }
    if !header.containerInstance.isAbsent { return Verdict(.deny, .containerInstance) }
    if header.frame.serial >= OwnSerials.first, !mayUseSerial(header, &output) { return nil }
    guard let verdict = judgeByType(message, header, isComplete, policy, &output) else { return nil }
    if verdict.passes && !isKeptAccountOf(header) {
      ownSerials.noteClientUse(of: header.frame.serial)
      unansweredSerialMax = max(unansweredSerialMax, header.frame.serial)
    }
    return verdict
  }

  @inline(__always)
  private mutating func judgeByType(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    switch header.frame.type {
    case .methodCall, .signal:
      if owners.isObserver(message.bytes(in: header.destination)) { return Verdict(.deny, .noRule) }
      // To a monitor the bus answers nothing more.
      if ownCallCount > 0, header.frame.type == .methodCall, !isMonitor, isTakenByOwnCall(header) {
        output.wait = .serial
        return nil
      }
      if settings.saysHello, helloPhase != .answered, !mayGoBeforeHello(message, header, &output) { return nil }
      if goesTheLongWay { return judgeCallOrSignalByName(message, header, isComplete, policy, &output) }
      return judgeCallOrSignal(message, header, isComplete, policy, &output)
    case .methodReturn, .error:
      return judgeOutgoingReply(message, header)
    case let unknown:
      precondition(unknown.rawValue > MessageType.signal.rawValue, "a type that is known was not decided on")
      return Verdict(.drop, .unknownType)
    }
  }

  @inline(__always)
  private mutating func judgeCallOrSignal(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    let isSignal = header.frame.type == .signal
    let destination = message.bytes(in: header.destination)
    let toDriver = destination.isEqual(to: Driver.name)
    // A call without destination is the driver's, if anybody's: no other peer can get it.
    if toDriver || (destination.byteCount == 0 && !isSignal) {
      return judgeDriverCall(message, header, isComplete, policy, &output)
    }
    let verdict = byRules(outgoingMatch(message, header, isSignal, policy))
    if !verdict.passes || isSignal || header.frame.flags.contains(.noReplyExpected) { return verdict }
    // A unique name answers for itself; a well-known name is answered for by whoever owns it.
    let isUnique = destination.starts(with: UInt8(ascii: ":"))
    let call = PendingCall(
      serial: header.frame.serial, purpose: .call, expectedSender: isUnique ? .uniqueName : .anyone,
      detail: isUnique ? settings.seed.hash(destination) : 0)
    return expect(call) ?? verdict
  }

  /// What the rules say. That of the last message with this header need not be asked for again.
  @inline(__always)
  private mutating func outgoingMatch(
    _ message: RawSpan, _ header: MessageHeader, _ isSignal: Bool, _ policy: Policy
  ) -> RuleMatch {
    let lane = unsafe clientLanes.current
    if let lane = unsafe lane, unsafe lane.pointee.match.policy == policy.identity { return unsafe lane.pointee.match.match }
    let match = policy.match(
      RuleQuery(
        direction: .outgoing, isSignal: isSignal, interface: message.bytes(in: header.interface),
        path: message.bytes(in: header.path), member: message.bytes(in: header.member), descriptors: Int(header.unixFDs)))
    if let lane = unsafe lane { unsafe lane.pointee.match = Lane.RememberedMatch(match: match, policy: policy.identity) }
    return match
  }

  /// Remembers that an answer is expected; nil if that could be done.
  @inline(__always)
  mutating func expect(_ call: PendingCall) -> Verdict? {
    switch outgoingCalls.insert(call) {
    case .done: nil
    case .full: Verdict(.deny, .pendingReplies)
    case .totalIsFull: Verdict(.deny, .pendingRepliesTotal)
    case .serialInUse: Verdict(.deny, .serialInUse)
    }
  }

  /// A reply passes once, to the caller whose call was forwarded and who asked for it.
  mutating func judgeOutgoingReply(_ message: RawSpan, _ header: MessageHeader) -> Verdict {
    let destination = message.bytes(in: header.destination)
    if destination.byteCount > 0
      && incomingCalls.remove(caller: settings.seed.hash(destination), serial: header.replySerial)
    {
      return Verdict(.allow, .reply)
    }
    return Verdict(.drop, .strayReply)
  }

  // MARK: The gate's own Hello (personality dbus-proxy)

  /// Sees to it that the bus has been told Hello before anything else. False: the message has to wait.
  mutating func mayGoBeforeHello(_ message: RawSpan, _ header: MessageHeader, _ output: inout Output) -> Bool {
    switch helloPhase {
    case .unsaid:
      if isHello(message, header) && !header.destination.isAbsent { return true }
      sayHello(avoiding: header.frame.serial, &output)
    case .askedByGate:
      break
    case .asked, .answered:
      return true
    }
    // The repeated answer needs the unique name, and no call may share the Hello's serial.
    if !isHello(message, header) && header.frame.serial != ownHelloSerial { return true }
    output.wait = .serial
    return false
  }

  /// Whether a message is the driver's Hello, as judged by ``judgeCallOrSignal``: also without destination, or interface.
  func isHello(_ message: RawSpan, _ header: MessageHeader) -> Bool {
    header.frame.type == .methodCall
      && (header.destination.isAbsent || message.bytes(in: header.destination).isEqual(to: Driver.name))
      && message.bytes(in: header.member).isEqual(to: "Hello")
      && (header.interface.isAbsent || message.bytes(in: header.interface).isEqual(to: Driver.name))
  }

  mutating func sayHello(avoiding serial: UInt32, _ output: inout Output) {
    ownHelloSerial = serial == .max ? .max - 1 : .max
    let hello = PendingCall(serial: ownHelloSerial, purpose: .ownHello, expectedSender: .driver, detail: 0)
    precondition(outgoingCalls.insert(hello) == .done, "Hello is the first call of a connection")
    helloPhase = .askedByGate
    saidHello = true
    LocalReply.appendHello(serial: ownHelloSerial, to: &ownToBus)
    output.own(ownToBus.commit())
  }
}
