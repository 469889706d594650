// What the gate says itself to either peer: why a message was refused, and what it answers in the bus's place.

import DBusWire
import GatePolicy

extension Mediator {
  // MARK: Refusals

  /// Answers a call from `side` that was denied, if its sender asked for an answer.
  @inline(never)
  mutating func tellSender(_ verdict: Verdict, of message: MessageView, _ side: Side, _ policy: Policy) {
    if !message.wantsReply || side == .bus && !mayAnswerCaller(message) { return }
    let envelope = LocalReply.Envelope(
      byteOrder: message.header.frame.byteOrder, serial: replies.takeOwnSerial(), replySerial: message.serial,
      fromDriver: side == .client)
    let busName = unsafe policy.busName.utf8Span.span.bytes
    switch side {
    case .client:
      let about = message.bytes.bytes(in: nameAsked(by: message))
      let name = registration.uniqueName
      LocalReply.appendError(
        envelope, to: &local.toClient, destination: unsafe name.span.bytes, reason: verdict.reason, message, .outgoing,
        about: about, busName: busName)
    case .bus:
      LocalReply.appendError(
        envelope, to: &local.toBus, destination: message.sender, reason: verdict.reason, message, .incoming, busName: busName)
    }
  }

  /// Whether an incoming call that was denied is the client's to answer. A header that was not read names nobody; and a monitor is
  /// disconnected by the bus when it speaks.
  private func mayAnswerCaller(_ message: MessageView) -> Bool {
    !message.header.sender.isAbsent && !registration.isMonitor && !message.header.destination.isAbsent
      && isAddressedToClient(message)
  }

  /// Writes an error in the place of a reply from `side` whose right to pass is used up.
  mutating func replaceReply(_ verdict: Verdict, _ message: MessageView, _ side: Side, _ policy: Policy) {
    let busName = unsafe policy.busName.utf8Span.span.bytes
    let envelope = LocalReply.Envelope(
      byteOrder: message.header.frame.byteOrder, serial: replies.takeOwnSerial(), replySerial: message.replySerial,
      fromDriver: side == .bus)
    switch side {
    case .client:
      LocalReply.appendError(
        envelope, to: &local.toBus, destination: message.destination, reason: verdict.reason, message, .outgoing,
        busName: busName)
    case .bus:
      let name = registration.uniqueName
      LocalReply.appendError(
        envelope, to: &local.toClient, destination: unsafe name.span.bytes, reason: verdict.reason, message, .incoming,
        busName: busName)
    }
  }

  /// A message from `side` that was to be forwarded is not, since the kernel does not take its descriptors: its sender, or who waits for the
  /// answer that it is, is told so as far as there is room.
  mutating func tellOfWithdrawal(_ verdict: Verdict, of message: MessageView, _ side: Side, _ policy: Policy) {
    if message.isReply {
      // What a monitor sees is not for it.
      let isAwaited = side == .client || !registration.isMonitor
      if isAwaited && local.hasRoom(to: side.other) { replaceReply(verdict, message, side, policy) }
    } else if local.hasRoom(to: side) {
      tellSender(verdict, of: message, side, policy)
    }
  }

  // MARK: In the bus's place

  private mutating func envelope(_ message: MessageView, replySerial: UInt32) -> LocalReply.Envelope {
    LocalReply.Envelope(
      byteOrder: message.header.frame.byteOrder, serial: replies.takeOwnSerial(), replySerial: replySerial, fromDriver: true)
  }

  /// Repeats to a late Hello of the client what the bus answered to the gate's own.
  mutating func repeatHelloReply(_ message: MessageView) {
    if !message.wantsReply { return }
    let envelope = envelope(message, replySerial: message.serial)
    let name = registration.uniqueName
    LocalReply.appendHelloAnswer(envelope, to: &local.toClient, name: unsafe name.span.bytes)
  }

  /// Says that it is done.
  mutating func answerDone(_ message: MessageView) {
    if !message.wantsReply { return }
    let envelope = envelope(message, replySerial: message.serial)
    let name = registration.uniqueName
    LocalReply.appendEmpty(envelope, to: &local.toClient, destination: unsafe name.span.bytes)
  }

  /// Says that nobody has the name that was asked about by the call with this serial.
  mutating func answerNobody(_ message: MessageView, to serial: UInt32) {
    let envelope = envelope(message, replySerial: serial)
    let name = registration.uniqueName
    LocalReply.appendBoolean(false, envelope, to: &local.toClient, destination: unsafe name.span.bytes)
  }

  /// Gives the client the names of a list that it may see. `message` was checked.
  mutating func sendVisibleNames(of message: MessageView, _ policy: Policy) {
    let envelope = LocalReply.Envelope(
      byteOrder: message.header.frame.byteOrder, serial: message.serial, replySerial: message.replySerial, fromDriver: true)
    let client = registration.uniqueName
    var own = LocalOutput(limit: 0)
    swap(&own, &local.toClient)
    LocalReply.appendNames(message.body, envelope, to: &own, destination: unsafe client.span.bytes) {
      level(of: $0, policy) >= .see
    }
    swap(&own, &local.toClient)
  }

  /// Tells the client that it has lost a name.
  mutating func sendNameLost(_ name: [UInt8]) {
    let client = registration.uniqueName
    LocalReply.appendNameLost(
      unsafe name.span.bytes, serial: replies.takeOwnSerial(), to: &local.toClient, destination: unsafe client.span.bytes)
  }
}
