// Calls that the client is asked and has not answered: remembered, refused where there are too many, and forgotten when their caller has
// left the bus. Where there are many, the gate asks the bus itself, on the client's own connection, whether those that nothing has been
// heard of for the longest time are still there; the answers stay here.

import DBusWire
import GatePolicy

extension Session {
  /// Calls of that kind under way at a time, and those that one call to the client leads to. One for each would be too few: of those that
  /// are asked for some are still there, and must not keep the gate from those that are not.
  private static let callersAskedMax = 8, callersAskedAtOnce = 4

  /// Remembers a call that the client is to answer; nil if that could be done.
  @inline(__always)
  mutating func rememberCall(_ message: RawSpan, _ header: MessageHeader) -> Verdict? {
    let sender = message.bytes(in: header.sender)
    let isCrowded = incomingCalls.isCrowded
    let insertion = incomingCalls.insert(caller: settings.seed.hash(sender), sender, serial: header.frame.serial)
    if isCrowded { askForCallers() }
    return switch insertion {
    case .done: nil
    case .callerIsFull: Verdict(.deny, .pendingIncomingPerCaller)
    case .isFull: Verdict(.deny, .pendingIncoming)
    case .totalIsFull: Verdict(.deny, .pendingRepliesTotal)
    }
  }

  /// Asks the bus for callers, if it is time for some. Not before Hello is answered: until then a bus serves nobody.
  @inline(never)
  private mutating func askForCallers() {
    if uniqueName.isEmpty { return }
    for _ in 0..<min(Self.callersAskedAtOnce, Self.callersAskedMax - callersAsked) {
      guard let caller = incomingCalls.takeCallerToAsk() else { return }
      ask(for: caller)
    }
  }

  private mutating func ask(for caller: (name: UInt64, text: [UInt8])) {
    callersAsked += 1
    makeOwnCall("NameHasOwner", unsafe caller.text.span.bytes, .ownNameHasOwner, detail: caller.name)
  }

  /// Makes a call that the bus answers once it has dealt with all that was said before.
  mutating func askForClient() { ask(for: (0, uniqueName)) }

  /// Takes note of what the bus says of a caller. What is no answer to that tells nothing. Nil: the body is needed.
  @inline(never)
  mutating func judgeCallerAnswer(
    _ call: PendingCall, _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ output: inout Output
  ) -> Verdict? {
    let isTooLong = header.frame.messageByteCount > settings.limits.inspectBytesMax
    if !isTooLong && !isComplete { return nil }
    outgoingCalls.remove(header.replySerial)
    callersAsked -= 1
    noteOwnAnswer(header, &output)
    if !isTooLong && header.frame.type == .methodReturn && message.bytes(in: header.signature).isEqual(to: "b") {
      let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
      if let isThere = try? MessageArguments.uint32(in: body, byteOrder: header.frame.byteOrder), isThere == 0 {
        incomingCalls.removeAll(of: call.detail)
      }
    }
    return Verdict(.drop, .ownCall)
  }

  /// The driver says that an owner changed: if that is a unique name that left, its calls need no answer any more. False: the body is needed.
  mutating func noteLeaving(_ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool) -> Bool {
    if incomingCalls.count == 0 || header.frame.messageByteCount > settings.limits.inspectBytesMax { return true }
    if !isComplete { return false }
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    guard
      let (name, _, new) = try? MessageArguments.threeStrings(
        in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature)), new.count == 0
    else { return true }
    incomingCalls.removeAll(of: settings.seed.hash(body.extracting(Int(name.offset)..<Int(name.offset) + Int(name.count))))
    return true
  }
}
