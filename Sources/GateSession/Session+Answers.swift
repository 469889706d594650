// Telling the sender of a denied message, if it asked for an answer.

import DBusWire
import GatePolicy

extension Session {
  /// Answers a message from `side` that was denied.
  mutating func answer(_ verdict: Verdict, _ header: MessageHeader, _ message: RawSpan, _ side: Side, _ policy: Policy) {
    if header.frame.isReply {
      answerInstead(verdict, header, message, side, policy)
      return
    }
    if header.frame.type != .methodCall || header.frame.flags.contains(.noReplyExpected) { return }
    if side == .bus && !mayAnswerCaller(message, header) { return }
    let envelope = LocalReply.Envelope(
      byteOrder: header.frame.byteOrder, serial: takeOwnSerial(), replySerial: header.frame.serial, fromDriver: side == .client)
    let name = uniqueName
    let busName = unsafe policy.busName.utf8Span.span.bytes
    switch side {
    case .client:
      LocalReply.appendError(
        envelope, to: &ownToClient, destination: unsafe name.span.bytes, reason: verdict.reason, header, message, .outgoing,
        about: message.bytes(in: nameAsked(by: message, header)), busName: busName)
    case .bus:
      LocalReply.appendError(
        envelope, to: &ownToBus, destination: message.bytes(in: header.sender), reason: verdict.reason, header, message,
        .incoming,
        busName: busName)
    }
  }

  /// Whether an incoming call that was denied is the client's to answer. A header that was not read names nobody; and a monitor is
  /// disconnected by the bus when it speaks.
  private mutating func mayAnswerCaller(_ message: RawSpan, _ header: MessageHeader) -> Bool {
    !header.sender.isAbsent && !isMonitor && !header.destination.isAbsent && isAddressedToClient(message, header)
  }

  /// A reply that may not pass, for its descriptors or its size: who waits for it is told so, in its place.
  private mutating func answerInstead(
    _ verdict: Verdict, _ header: MessageHeader, _ message: RawSpan, _ side: Side, _ policy: Policy
  ) {
    switch side {
    case .client:
      if judgeOutgoingReply(message, header).action == .allow { replace(verdict, header, message, side, policy) }
    case .bus:
      guard let call = outgoingCalls.find(header.replySerial) else { return }
      switch call.purpose {
      case .call, .listNames, .question: break
      case .hello, .ownHello, .addMatch, .requestName, .ownAddMatch, .ownListNames, .ownGetNameOwner, .ownNameHasOwner,
        .ownReleaseName,
        .becomeMonitor:
        return
      }
      if reasonAgainst(message, header, answering: call) != nil { return }
      forgetQuestion(header.replySerial)
      replace(verdict, header, message, side, policy)
    }
  }

  /// Writes an error in the place of a reply from `side` whose right to pass is used up.
  private mutating func replace(_ verdict: Verdict, _ header: MessageHeader, _ message: RawSpan, _ side: Side, _ policy: Policy) {
    let name = uniqueName
    let busName = unsafe policy.busName.utf8Span.span.bytes
    let envelope = LocalReply.Envelope(
      byteOrder: header.frame.byteOrder, serial: takeOwnSerial(), replySerial: header.replySerial, fromDriver: side == .bus)
    switch side {
    case .client:
      LocalReply.appendError(
        envelope, to: &ownToBus, destination: message.bytes(in: header.destination), reason: verdict.reason, header, message,
        .outgoing, busName: busName)
    case .bus:
      LocalReply.appendError(
        envelope, to: &ownToClient, destination: unsafe name.span.bytes, reason: verdict.reason, header, message, .incoming,
        busName: busName)
    }
  }

  /// Repeats to a late Hello of the client what the bus answered to the gate's own.
  mutating func repeatHelloAnswer(_ header: MessageHeader) {
    if header.frame.flags.contains(.noReplyExpected) { return }
    let envelope = LocalReply.Envelope(
      byteOrder: header.frame.byteOrder, serial: takeOwnSerial(), replySerial: header.frame.serial, fromDriver: true)
    let name = uniqueName
    LocalReply.appendHelloAnswer(envelope, to: &ownToClient, name: unsafe name.span.bytes)
  }

  /// A serial for a message of the gate's own, counted down from the highest.
  mutating func takeOwnSerial() -> UInt32 { ownSerials.take() }

  /// The kernel would not take the descriptors of the message at the front of `bytes`, which was to be forwarded: it is not.
  ///
  /// - Parameter bytes: From the message's first byte on, as far as they were to be sent.
  /// - Returns: How many of them belong to that message, and the decision for the log. The rest of the message is skipped.
  public mutating func withdraw(_ bytes: RawSpan, from side: Side, policy: Policy) -> (count: Int, decision: DecisionRecord) {
    let verdict = Verdict(.deny, .descriptorsRefused)
    let decision = DecisionRecord(offset: 0, verdict: verdict)
    counters.countRefusal(from: side, verdict.reason)
    var header = MessageHeader()
    do throws(WireError) {
      let frame = try MessageFrame(bytes)
      try header.read(bytes, frame: frame)
      if frame.isReply {
        // What a monitor sees is not for it.
        let isAwaited = side == .client || !isMonitor
        if isAwaited && hasRoomForAnswers(to: side.other) { replace(verdict, header, bytes, side, policy) }
      } else {
        if frame.type == .methodCall && !frame.flags.contains(.noReplyExpected) { forgetCall(header, bytes, side) }
        if hasRoomForAnswers(to: side) { answer(verdict, header, bytes, side, policy) }
      }
      if bytes.byteCount < frame.messageByteCount {
        switch side {
        case .client: fromClient.passes = false
        case .bus: fromBus.passes = false
        }
      }
      return (min(bytes.byteCount, frame.messageByteCount), decision)
    } catch {
      preconditionFailure("a message that was to be forwarded is not one")
    }
  }

  /// A call that was noted, since it was to be forwarded, is not forwarded.
  private mutating func forgetCall(_ header: MessageHeader, _ message: RawSpan, _ side: Side) {
    let serial = header.frame.serial
    switch side {
    case .client: if outgoingCalls.contains(serial) { forgetQuestion(serial) }
    case .bus: _ = incomingCalls.remove(caller: settings.seed.hash(message.bytes(in: header.sender)), serial: serial)
    }
  }
}
