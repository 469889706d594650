// The way of a byte: where one message ends and the next begins, and what becomes of each. Bodies stream through: "n more bytes
// of this message are forwarded (or skipped)" is all that is remembered of them.

import DBusWire
import GatePolicy

extension Session {
  /// Deals with `bytes` from `start` on, which come from `side` and stand where the last call left off.
  mutating func frame(
    _ bytes: RawSpan, from start: Int, side: Side, descriptors: Int, policy: Policy, into output: inout Output
  ) -> Int {
    if policy.identity != followedPolicy { follow(policy, &output) }
    var stream = side == .client ? fromClient : fromBus
    var header = MessageHeader()
    var at = start
    var waiting = descriptors
    var isAfterRun = false
    let end = bytes.byteCount
    while output.close == nil {
      if stream.remaining > 0 {
        if at == end { break }
        if !output.hasRoom {
          output.wait = .room
          break
        }
        passOn(&stream, &at, end, &waiting, side, &output)
        continue
      }
      if at == end { break }
      if !output.hasRoom {
        output.wait = .room
        break
      }
      if !hasRoomForAnswers(to: side) {
        output.wait = .localOutput(side)
        break
      }
      let found = unsafe findLane(bytes, at, side, isOther: isAfterRun)
      let lane = unsafe found?.lane
      isAfterRun = true
      if let found = unsafe found {
        let claimed = unsafe Int(found.lane.pointee.routine.descriptors)
        let gone = unsafe claimed <= waiting ? passRun(bytes, from: at, side, found, policy.identity, &stream) : 0
        if gone > 0 {
          takeOwnOutput(goingWith: side, &output)
          output.forward(at, gone, descriptors: claimed)
          waiting &-= claimed
          at &+= gone
          continue
        }
        let refused = unsafe refuseRun(bytes, from: at, side, found, policy.identity, &stream)
        if refused > 0 {
          at &+= refused
          continue
        }
      }
      isAfterRun = false
      let message = bytes.extracting(at..<end)
      guard let frame = unsafe readHeader(message, &header, lane, side, &output) else { break }
      guard let verdict = decide(message, header, frame, side, waiting, policy, &output) else { break }
      // An error in the place of an answer goes where the answer would have gone, and needs room there.
      if verdict.action == .deny && frame.isReply && !hasRoomForAnswers(to: side.other) {
        output.wait = .localOutput(side.other)
        break
      }
      let taken = min(message.byteCount, frame.messageByteCount)
      let claimed = Int(header.unixFDs)
      if verdict.passes {
        takeOwnOutput(goingWith: side, &output)
        output.forward(at, taken, descriptors: claimed)
        waiting &-= claimed
        counters.countPassed(from: side, verdict, frame.type.rawValue)
        stream.passes = true
        stream.owedDescriptors = 0
      } else {
        let dropped = descriptorsToDrop(verdict, claimed, waiting, messageEndsHere: frame.messageByteCount < message.byteCount)
        output.skip(at, taken, descriptors: dropped)
        counters.countRefused(from: side, verdict, frame.type.rawValue)
        counters.countSkippedBytes(taken, from: side)
        waiting &-= dropped
        stream.passes = false
        stream.owedDescriptors = verdict.reason == .headerTooLong ? -1 : claimed &- dropped
        if verdict.action == .deny { answer(verdict, header, message, side, policy) }
      }
      if isLogged(verdict) {
        output.record(verdict, at: at)
      } else if let lane = unsafe lane {
        unsafe learnRoutine(message, header, side, verdict, policy, lane)
      }
      stream.remaining = frame.messageByteCount &- taken
      at &+= taken
    }
    // At the end of what was read there is no message left that a descriptor could belong to.
    if at == end && waiting > 0 && output.close == nil { output.close = .descriptorMismatch(side) }
    stream.holdsDescriptors = false
    if case .bytes = output.wait { stream.holdsDescriptors = waiting > 0 }
    counters.countBytes(at &- start, from: side)
    if side == .client { fromClient = stream } else { fromBus = stream }
    return at
  }

  /// More bytes of a message that was decided on.
  private mutating func passOn(
    _ stream: inout Stream, _ at: inout Int, _ end: Int, _ waiting: inout Int, _ side: Side, _ output: inout Output
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

  /// In front of a message is where the gate's own output to its receiver may go. Not in front of one that does not pass: a receiver
  /// that takes nothing would then stop a sender that has nothing for it.
  @inline(__always)
  mutating func takeOwnOutput(goingWith side: Side, _ output: inout Output) {
    switch side {
    case .client: if ownToBus.uncommittedCount > 0 { output.own(ownToBus.commit()) }
    case .bus: if ownToClient.uncommittedCount > 0 { output.own(ownToClient.commit()) }
    }
  }

  /// Reads the header at the front of `message`, which is that of `lane` if there is one. Nil: there is not all of it yet, or it is malformed and the output says so.
  @inline(__always)
  private mutating func readHeader(
    _ message: RawSpan, _ header: inout MessageHeader, _ lane: UnsafeMutablePointer<Lane>?, _ side: Side,
    _ output: inout Output
  ) -> MessageFrame? {
    if message.byteCount < MessageFrame.byteCount { return nil }
    do throws(WireError) {
      let frame = try MessageFrame(message)
      if frame.headerByteCount > settings.limits.headerBytesMax {
        header = MessageHeader(frame: frame)
        return frame
      }
      if message.byteCount < frame.headerByteCount { return nil }
      if let lane = unsafe lane {
        _ = try unsafe lane.pointee.headers.read(message, frame: frame)
        header = unsafe lane.pointee.headers.header
        return frame
      }
      switch side {
      case .client: try clientLanes.read(message, frame: frame, into: &header)
      case .bus: try busLanes.read(message, frame: frame, into: &header)
      }
      return frame
    } catch {
      output.close = .malformed(side, error)
      return nil
    }
  }

  /// How many of the descriptors at hand go with a message that is not forwarded.
  private func descriptorsToDrop(_ verdict: Verdict, _ claimed: Int, _ waiting: Int, messageEndsHere: Bool) -> Int {
    // Of a header that was not read nobody knows how many it has: all that came, unless they may be the next message's.
    if verdict.reason == .headerTooLong { return messageEndsHere ? 0 : waiting }
    return min(claimed, waiting)
  }

  /// **The** place that decides, in this order: limits, replies, driver, rules, arguments. (Shape: the header could be read.)
  ///
  /// Nil: more bytes are needed, or the connection must end; the output says which.
  @inline(__always)
  private mutating func decide(
    _ message: RawSpan, _ header: MessageHeader, _ frame: MessageFrame, _ side: Side, _ waiting: Int, _ policy: Policy,
    _ output: inout Output
  ) -> Verdict? {
    let isComplete = message.byteCount >= frame.messageByteCount
    // The specification lets descriptors come with any byte of their message, but not later.
    if isComplete && Int(header.unixFDs) > waiting {
      output.close = .descriptorMismatch(side)
      return nil
    }
    if let verdict = overLimit(header, frame) { return verdict }
    if header.unixFDs > 0 {
      let claimed = Int(header.unixFDs)
      if claimed > waiting {
        if claimed <= settings.limits.descriptorsPerMessageMax && message.byteCount < settings.limits.inspectBytesMax {
          return nil
        }
        return Verdict(.deny, .tooManyDescriptors)
      }
      if claimed > settings.limits.descriptorsPerMessageMax { return Verdict(.deny, .tooManyDescriptors) }
      if claimed > 0 && !(side == .client ? clientTakesDescriptors : busTakesDescriptors) {
        output.close = .descriptorMismatch(side)
        return nil
      }
      if claimed > 0 && !(side == .client ? busTakesDescriptors : clientTakesDescriptors) {
        return Verdict(.deny, .descriptorsNotNegotiated)
      }
    }
    switch side {
    case .client: return judgeOutgoing(message, header, isComplete: isComplete, policy, &output)
    case .bus: return judgeIncoming(message, header, isComplete: isComplete, policy, &output)
    }
  }

  @inline(__always)
  private func overLimit(_ header: MessageHeader, _ frame: MessageFrame) -> Verdict? {
    if frame.headerByteCount > settings.limits.headerBytesMax { return Verdict(.deny, .headerTooLong) }
    if frame.messageByteCount > settings.limits.messageBytesMax { return Verdict(.deny, .messageTooLong) }
    return nil
  }

  @inline(__always)
  private func isLogged(_ verdict: Verdict) -> Bool {
    if let choice = verdict.log { return choice || settings.logging == .dryRun }
    switch settings.logging {
    case .nothing: return false
    case .denied: return verdict.action != .allow && verdict.reason.isWorthALine
    case .everything, .dryRun: return true
    }
  }
}

extension MessageFrame {
  /// Whether the message answers a call.
  @inline(__always)
  var isReply: Bool { type == .methodReturn || type == .error }
}

extension Verdict.Reason {
  /// Whether a log of what did not pass has it: not what the client was never to get, and not a service that is unknown, since that is
  /// what a client asks for that goes on to call it.
  @inline(__always)
  var isWorthALine: Bool {
    switch self {
    case .ownHello, .ownCall, .ownMatch, .filtered, .unsubscribed, .serviceUnknown: false
    default: true
    }
  }
}
