// Messages of one stream come in runs: the same call again and again, answers that look like the last one. What was decided about a
// header, and may be remembered, holds for the next message with the same header; only its numbers are new. A run goes by in one loop that
// does what is left to do, and leaves everything else to be decided on (Session+Messages).

import DBusWire
import GatePolicy

extension Session {
  /// Deals with `bytes` as far as they go on with a message that passes, or are a run of messages like the last one: the short way
  /// of ``receive(_:from:descriptors:policy:at:into:)``, for a session that ``isIdle``.
  ///
  /// - Parameter descriptors: How many came with the bytes. If there are any, what is forwarded is one message, or its beginning, that has
  ///   them all.
  /// - Parameter policy: The ``GatePolicy/Policy/identity`` of the policy in force.
  /// - Returns: How many bytes from the first one on are to be forwarded as they are. The others are to be received.
  @inline(__always)
  public mutating func forwardFromCache(_ bytes: RawSpan, from side: Side, descriptors: Int = 0, policy: UInt64) -> Int {
    var stream = side == .client ? fromClient.stream : fromBus.stream
    var count = 0
    if stream.remaining > 0 && stream.passes && descriptors == 0 {
      count = min(stream.remaining, bytes.byteCount)
      stream.remaining &-= count
    }
    if stream.remaining == 0 && count < bytes.byteCount && policy == mediator.policyInForce,
      let found = unsafe findInCache(bytes, count, side),
      unsafe Int(found.entry.pointee.decision.descriptors) == descriptors
    {
      count &+= unsafe forwardRun(bytes, from: count, side, found, &stream)
    }
    counters.countBytes(count, from: side)
    if side == .client { fromClient.stream = stream } else { fromBus.stream = stream }
    return count
  }

  /// Bytes of a message from `side` that passes that are still to come.
  @inline(__always)
  public func restByteCount(from side: Side) -> Int {
    switch side {
    case .client: fromClient.stream.passes ? fromClient.stream.remaining : 0
    case .bus: fromBus.stream.passes ? fromBus.stream.remaining : 0
    }
  }

  /// `count` of the ``restByteCount(from:)`` bytes, none of which came here, were forwarded.
  public mutating func passedRest(_ count: Int, from side: Side) {
    precondition(count >= 0 && count <= restByteCount(from: side), "passed on more than the rest of a message")
    switch side {
    case .client: fromClient.stream.remaining -= count
    case .bus: fromBus.stream.remaining -= count
    }
    counters.countBytes(count, from: side)
  }

  /// Bytes of the last message from `side` whose header was read, as a guess at the next one.
  @inline(__always)
  public mutating func lastMessageByteCount(from side: Side) -> Int {
    switch side {
    case .client: fromClient.cache.lastMessageByteCount
    case .bus: fromBus.cache.lastMessageByteCount
    }
  }

  // MARK: What is remembered

  /// What is remembered of the kind of the message at `start`, if anything is.
  @inline(__always)
  mutating func findInCache(
    _ bytes: RawSpan, _ start: Int, _ side: Side, isOther: Bool = false
  ) -> DecisionCache.Found? {
    switch side {
    case .client: unsafe fromClient.cache.find(bytes, at: start, isOther: isOther)
    case .bus: unsafe fromBus.cache.find(bytes, at: start, isOther: isOther)
    }
  }

  /// The decision that still holds for a call or signal with the header of `entry`. (An answer is decided on by what it answers.)
  @inline(__always)
  func rememberedDecision(
    _ entry: UnsafeMutablePointer<DecisionCache.Entry>?, _ frame: MessageFrame
  ) -> CachedDecision? {
    guard let entry = unsafe entry, unsafe entry.pointee.decision.isValid(in: mediator.epoch),
      frame.type == .methodCall || frame.type == .signal
    else { return nil }
    return unsafe entry.pointee.decision
  }

  /// Remembers a decision that may be remembered, and the error that was said because of it.
  @inline(__always)
  mutating func store(
    _ decision: Decision, of message: MessageView, _ side: Side, madeIn epoch: UInt64,
    in entry: UnsafeMutablePointer<DecisionCache.Entry>
  ) {
    if !DecisionCache.mayStore(decision) { return }
    let isAnswered = decision.verdict.action == .deny && message.wantsReply
    // What is said to the bus has the caller's name in it, and need not be said at all.
    let reply: [UInt8]? = !isAnswered ? [] : side == .client ? mediator.local.toClient.lastReply : nil
    unsafe DecisionCache.store(
      decision, in: entry, descriptors: message.descriptorCount, epoch: epoch,
      isLogged: mediator.isLogged(decision.verdict), reply: reply)
  }

  // MARK: Runs

  /// Deals with the messages from `start` on, which are of one kind, if what is remembered of their kind lets them pass.
  ///
  /// - Returns: How many bytes are to be forwarded; with the last message `stream` says what is still to come of it.
  @inline(__always)
  mutating func forwardRun(
    _ bytes: RawSpan, from start: Int, _ side: Side, _ found: DecisionCache.Found, _ stream: inout MessageStream
  ) -> Int {
    if unsafe found.entry.pointee.decision.use != .forward || found.entry.pointee.decision.epoch != mediator.epoch { return 0 }
    if case .none = unsafe found.entry.pointee.decision.effect {
      return unsafe forwardPlainRun(bytes, from: start, side, found, &stream)
    }
    return switch side {
    case .client: unsafe forwardClientRun(bytes, from: start, found, &stream)
    case .bus: unsafe forwardBusRun(bytes, from: start, found, &stream)
    }
  }

  /// Signals, and calls that want no answer.
  private mutating func forwardPlainRun(
    _ bytes: RawSpan, from start: Int, _ side: Side, _ found: DecisionCache.Found, _ stream: inout MessageStream
  ) -> Int {
    let sizeMax = mediator.settings.limits.messageBytesMax
    let isSingle = unsafe found.entry.pointee.decision.descriptors > 0
    var run = Run(at: start)
    var following: HeaderMemory.Repetition? = unsafe found.first
    while let next = following, next.messageByteCount <= sizeMax {
      // Its serial may have to wait: see OwnSerials.
      if side == .client && !mediator.replies.noteUnansweredAtOnce(next.serial) { break }
      if run.take(next, of: bytes, &stream) || isSingle { break }
      following = unsafe found.entry.pointee.headers.repetition(in: bytes, at: run.at)
    }
    return unsafe end(run, from: start, side, found)
  }

  private mutating func forwardClientRun(
    _ bytes: RawSpan, from start: Int, _ found: DecisionCache.Found, _ stream: inout MessageStream
  ) -> Int {
    let decision = unsafe found.entry.pointee.decision
    let sizeMax = mediator.settings.limits.messageBytesMax
    var run = Run(at: start)
    var following: HeaderMemory.Repetition? = unsafe found.first
    while let next = following, next.messageByteCount <= sizeMax {
      switch decision.effect {
      case .expectReply(_, let sender, let detail):
        let call = PendingCall(serial: next.serial, purpose: .call, expectedSender: sender, detail: detail)
        if mediator.replies.expect(call) != nil { return unsafe end(run, from: start, .client, found) }
      case .takeClientReply(let caller):
        if next.serial >= OwnSerials.first || !mediator.replies.takeClientReply(to: caller, next.replySerial) {
          return unsafe end(run, from: start, .client, found)
        }
        _ = mediator.replies.noteUnansweredAtOnce(next.serial)
      case .none, .takeReply, .replaceReply, .expectClientReply, .replaceClientReply, .driverCall, .driverReply, .driverSignal:
        preconditionFailure("not what a client's message may be remembered for")
      }
      if run.take(next, of: bytes, &stream) || decision.descriptors > 0 { break }
      following = unsafe found.entry.pointee.headers.repetition(in: bytes, at: run.at)
    }
    return unsafe end(run, from: start, .client, found)
  }

  private mutating func forwardBusRun(
    _ bytes: RawSpan, from start: Int, _ found: DecisionCache.Found, _ stream: inout MessageStream
  ) -> Int {
    let decision = unsafe found.entry.pointee.decision
    let sizeMax = mediator.settings.limits.messageBytesMax
    var run = Run(at: start)
    var following: HeaderMemory.Repetition? = unsafe found.first
    while let next = following, next.messageByteCount <= sizeMax {
      switch decision.effect {
      case .takeReply(let sender):
        if !mediator.replies.take(next.replySerial, from: sender) { return unsafe end(run, from: start, .bus, found) }
      case .expectClientReply(let caller):
        let name = unsafe bytes.extracting(run.at...).bytes(in: found.entry.pointee.headers.header.sender)
        if !mediator.replies.expectClientReplyAtOnce(caller: caller, name, next.serial) {
          return unsafe end(run, from: start, .bus, found)
        }
      case .none, .expectReply, .replaceReply, .takeClientReply, .replaceClientReply, .driverCall, .driverReply, .driverSignal:
        preconditionFailure("not what a message of the bus may be remembered for")
      }
      if run.take(next, of: bytes, &stream) || decision.descriptors > 0 { break }
      following = unsafe found.entry.pointee.headers.repetition(in: bytes, at: run.at)
    }
    return unsafe end(run, from: start, .bus, found)
  }

  /// Messages of one kind that went by.
  private struct Run {
    /// Where the next one begins.
    var at: Int
    var count: UInt64 = 0

    /// One more goes by; returns whether some of it is still to come.
    @inline(__always)
    mutating func take(_ next: HeaderMemory.Repetition, of bytes: RawSpan, _ stream: inout MessageStream) -> Bool {
      count &+= 1
      let left = next.messageByteCount &- (bytes.byteCount &- at)
      if left <= 0 {
        at &+= next.messageByteCount
        return false
      }
      stream = MessageStream(remaining: left, passes: true)
      at = bytes.byteCount
      return true
    }
  }

  /// Counts the messages of a run; returns how many bytes they have.
  @inline(__always)
  private mutating func end(_ run: Run, from start: Int, _ side: Side, _ found: DecisionCache.Found) -> Int {
    if run.count == 0 { return 0 }
    counters.countAllowed(run.count, from: side, unsafe found.entry.pointee.headers.header.frame.type.rawValue)
    return run.at &- start
  }

  /// Deals with the messages from `start` on, which are of one kind, if what is remembered of their kind refuses them.
  ///
  /// - Returns: How many bytes are to be skipped; with the last message `stream` says what is still to come of it.
  @inline(__always)
  mutating func refuseRun(
    _ bytes: RawSpan, from start: Int, _ side: Side, _ found: DecisionCache.Found, _ stream: inout MessageStream
  ) -> Int {
    if unsafe found.entry.pointee.decision.use != .refuse || found.entry.pointee.decision.epoch != mediator.epoch { return 0 }
    return unsafe skipRun(bytes, from: start, side, found, &stream)
  }

  private mutating func skipRun(
    _ bytes: RawSpan, from start: Int, _ side: Side, _ found: DecisionCache.Found, _ stream: inout MessageStream
  ) -> Int {
    let entry = unsafe found.entry
    let sizeMax = mediator.settings.limits.messageBytesMax
    let verdict = unsafe entry.pointee.decision.verdict
    let type = unsafe entry.pointee.headers.header.frame.type.rawValue
    let order = unsafe entry.pointee.headers.header.frame.byteOrder
    var at = start, count: UInt64 = 0
    var following: HeaderMemory.Repetition? = unsafe found.first
    while let next = following, next.messageByteCount <= sizeMax, mediator.local.hasRoom(to: side) {
      // Its serial may have to wait: see OwnSerials.
      if side == .client && next.serial >= OwnSerials.first { break }
      if unsafe !entry.pointee.reply.isEmpty {
        // Remembered of the client's calls only.
        let serial = mediator.replies.takeOwnSerial()
        unsafe mediator.local.toClient.append(
          entry.pointee.reply.span.bytes, order: order, serial: serial, replySerial: next.serial)
      }
      count &+= 1
      let left = next.messageByteCount &- (bytes.byteCount &- at)
      if left > 0 {
        stream = MessageStream(remaining: left, passes: false)
        at = bytes.byteCount
        break
      }
      at &+= next.messageByteCount
      following = unsafe entry.pointee.headers.repetition(in: bytes, at: at)
    }
    if count == 0 { return 0 }
    counters.countRefused(count, from: side, verdict, type)
    counters.countSkippedBytes(at &- start, from: side)
    return at &- start
  }
}
