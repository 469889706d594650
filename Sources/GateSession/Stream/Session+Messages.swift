// The way of a byte: where one message ends and the next begins, and what becomes of each. Bodies stream through: "n more bytes
// of this message are forwarded (or skipped)" is all that is remembered of them.

import DBusWire
import GatePolicy

extension Session {
  /// Deals with `bytes` from `start` on, which come from `side` and stand where the last call left off.
  mutating func receiveMessages(
    _ bytes: RawSpan, from start: Int, side: Side, descriptors: Int, policy: Policy, at now: Instant, into output: inout Output
  ) -> Int {
    if policy.identity != mediator.policyInForce { mediator.follow(policy, &output) }
    var stream = side == .client ? fromClient.stream : fromBus.stream
    var headers = InlineArray<1, MessageHeader>(repeating: MessageHeader())
    var at = start
    var waiting = descriptors
    var isAfterRun = false
    let end = bytes.byteCount
    while output.close == nil {
      if at == end { break }
      if !output.hasRoom {
        output.wait = .room
        break
      }
      if stream.remaining > 0 {
        passOn(&stream, &at, end, &waiting, side, &output)
        continue
      }
      if !mediator.local.hasRoom(to: side) {
        output.wait = .localOutput(side)
        break
      }
      let found = unsafe findInCache(bytes, at, side, isOther: isAfterRun)
      let entry = unsafe found?.entry
      isAfterRun = true
      if let found = unsafe found {
        let claimed = unsafe Int(found.entry.pointee.decision.descriptors)
        let gone = unsafe claimed <= waiting ? forwardRun(bytes, from: at, side, found, &stream) : 0
        if gone > 0 {
          takeLocalOutput(goingWith: side, &output)
          output.forward(at, gone, descriptors: claimed)
          waiting &-= claimed
          at &+= gone
          continue
        }
        let refused = unsafe refuseRun(bytes, from: at, side, found, &stream)
        if refused > 0 {
          at &+= refused
          continue
        }
      }
      isAfterRun = false
      let message = bytes.extracting(at..<end)
      guard let frame = unsafe readHeader(message, &headers[0], entry, side, &output) else { break }
      let view = MessageView(message, header: headers.span)
      let remembered = unsafe rememberedDecision(entry, frame)
      // What is decided holds from here on; if it changes what decisions rest on, it is not there the next time.
      let epoch = mediator.epoch
      switch decide(view, side, waiting, remembered, policy, now, &output) {
      case .decided(let decision):
        take(decision, view, side, at, &waiting, &stream, &output)
        if let entry = unsafe entry { unsafe store(decision, of: view, side, madeIn: epoch, in: entry) }
        let taken = min(message.byteCount, frame.messageByteCount)
        stream.remaining = frame.messageByteCount &- taken
        at &+= taken
        continue
      case .needsBytes, .needsBody: break
      case .wait(let wait): output.wait = wait
      case .close(let fault): output.close = fault.reason
      }
      break
    }
    // At the end of what was read there is no message left that a descriptor could belong to.
    if at == end && waiting > 0 && output.close == nil { output.close = .descriptorMismatch(side) }
    stream.holdsDescriptors = false
    if case .bytes = output.wait { stream.holdsDescriptors = waiting > 0 }
    counters.countBytes(at &- start, from: side)
    if side == .client { fromClient.stream = stream } else { fromBus.stream = stream }
    return at
  }

  /// More bytes of a message that was decided on.
  private mutating func passOn(
    _ stream: inout MessageStream, _ at: inout Int, _ end: Int, _ waiting: inout Int, _ side: Side, _ output: inout Output
  ) {
    let taken = min(stream.remaining, end - at)
    if stream.passes {
      output.forward(at, taken, descriptors: 0)
    } else {
      counters.countSkippedBytes(taken, from: side)
      var dropped = 0
      if stream.owedDescriptors > 0 {
        dropped = min(stream.owedDescriptors, waiting)
        stream.owedDescriptors -= dropped
      } else if stream.owedDescriptors < 0 && at + taken == end {
        dropped = waiting
      }
      output.skip(at, taken, descriptors: dropped)
      waiting -= dropped
      if taken == stream.remaining && stream.owedDescriptors > 0 { output.close = .descriptorMismatch(side) }
    }
    stream.remaining -= taken
    at += taken
  }

  /// In front of a message is where the local output to its receiver may go. Not in front of one that does not pass: a receiver
  /// that takes nothing would then stop a sender that has nothing for it.
  @inline(__always)
  mutating func takeLocalOutput(goingWith side: Side, _ output: inout Output) {
    switch side {
    case .client: if mediator.local.toBus.uncommittedCount > 0 { output.sendLocal(mediator.local.toBus.commit()) }
    case .bus: if mediator.local.toClient.uncommittedCount > 0 { output.sendLocal(mediator.local.toClient.commit()) }
    }
  }

  /// Reads the header at the front of `message`, which is that of `entry` if there is one. Nil: there is not all of it yet, or it is malformed
  /// and the output says so.
  @inline(__always)
  private mutating func readHeader(
    _ message: RawSpan, _ header: inout MessageHeader, _ entry: UnsafeMutablePointer<DecisionCache.Entry>?, _ side: Side,
    _ output: inout Output
  ) -> MessageFrame? {
    if message.byteCount < MessageFrame.byteCount { return nil }
    do throws(WireError) {
      let frame = try MessageFrame(message)
      if frame.headerByteCount > mediator.settings.limits.headerBytesMax {
        header = MessageHeader(frame: frame)
        return frame
      }
      if message.byteCount < frame.headerByteCount { return nil }
      if let entry = unsafe entry {
        _ = try unsafe entry.pointee.headers.read(message, frame: frame)
        header = unsafe entry.pointee.headers.header
        return frame
      }
      switch side {
      case .client: try fromClient.cache.read(message, frame: frame, into: &header)
      case .bus: try fromBus.cache.read(message, frame: frame, into: &header)
      }
      return frame
    } catch {
      output.close = .malformed(side, error)
      return nil
    }
  }

  /// Has the message decided on; before the bus is there, whether it is one to open a connection for.
  @inline(__always)
  private mutating func decide(
    _ message: MessageView, _ side: Side, _ waiting: Int, _ remembered: CachedDecision?, _ policy: Policy, _ now: Instant,
    _ output: inout Output
  ) -> Progress {
    // Stored properties alone: to call something of it the compiler copies the whole pair.
    let (client, bus) = (handshakes.clientTakesDescriptors, handshakes.busTakesDescriptors)
    let agreed = side == .client ? (sender: client, receiver: bus) : (sender: bus, receiver: client)
    if side == .client, handshakes.busPhase != .open,
      let early = decideBeforeBus(message, descriptors: waiting, agreed: agreed, policy, &output)
    {
      return early
    }
    return mediator.decide(
      message, from: side, descriptors: waiting, agreed: agreed, remembered: remembered, policy: policy, at: now,
      into: &output)
  }

  /// Forwards or skips the message that was decided on.
  @inline(__always)
  private mutating func take(
    _ decision: Decision, _ message: MessageView, _ side: Side, _ at: Int, _ waiting: inout Int, _ stream: inout MessageStream,
    _ output: inout Output
  ) {
    let verdict = decision.verdict
    let frame = message.header.frame
    let taken = min(message.bytes.byteCount, frame.messageByteCount)
    let claimed = message.descriptorCount
    if verdict.passes {
      takeLocalOutput(goingWith: side, &output)
      output.forward(at, taken, descriptors: claimed)
      waiting &-= claimed
      counters.countPassed(from: side, verdict, frame.type.rawValue)
      stream.passes = true
      stream.owedDescriptors = 0
    } else {
      let dropped = descriptorsToDrop(
        verdict, claimed, waiting, messageEndsHere: frame.messageByteCount < message.bytes.byteCount)
      output.skip(at, taken, descriptors: dropped)
      counters.countRefused(from: side, verdict, frame.type.rawValue)
      counters.countSkippedBytes(taken, from: side)
      waiting &-= dropped
      stream.passes = false
      stream.owedDescriptors = verdict.reason == .headerTooLong ? -1 : claimed &- dropped
    }
    if mediator.isLogged(verdict) { output.record(verdict, at: at) }
  }

  /// How many of the descriptors at hand go with a message that is not forwarded.
  private func descriptorsToDrop(_ verdict: Verdict, _ claimed: Int, _ waiting: Int, messageEndsHere: Bool) -> Int {
    // Of a header that was not read nobody knows how many it has: all that came, unless they may be the next message's.
    if verdict.reason == .headerTooLong { return messageEndsHere ? 0 : waiting }
    return min(claimed, waiting)
  }

  /// The kernel would not take the descriptors of the message at the front of `bytes`, which was to be forwarded: it is not.
  ///
  /// - Parameter bytes: From the message's first byte on, as far as they were to be sent.
  /// - Returns: How many of them belong to that message, and the decision for the log. The rest of the message is skipped.
  public mutating func withdraw(
    _ bytes: RawSpan, from side: Side, policy: Policy
  ) -> (count: Int, decision: DecisionRecord) {
    let verdict = Verdict(.deny, .descriptorsRefused)
    counters.countRefusal(from: side, verdict.reason)
    var headers = InlineArray<1, MessageHeader>(repeating: MessageHeader())
    do throws(WireError) {
      let frame = try MessageFrame(bytes)
      try headers[0].read(bytes, frame: frame)
    } catch {
      preconditionFailure("a message that was to be forwarded is not one")
    }
    let message = MessageView(bytes, header: headers.span)
    mediator.revert(message, from: side)
    mediator.tellOfWithdrawal(verdict, of: message, side, policy)
    if !message.isComplete {
      switch side {
      case .client: fromClient.stream.passes = false
      case .bus: fromBus.stream.passes = false
      }
    }
    let count = min(bytes.byteCount, message.header.frame.messageByteCount)
    return (count, DecisionRecord(offset: 0, verdict: verdict))
  }
}
