// Messages of one stream come in runs: the same call again and again, answers that look like the last one. What was decided about a
// header holds for the next message with the same header; only its numbers are new. A run goes by in one loop that does what is
// left to do, and leaves everything else to the long way (Session+Framing), which decides about each message by itself.

import DBusWire
import GatePolicy

/// What is left to do for a message whose header is the last one's but for its numbers, and that passes as that one did.
struct Routine: BitwiseCopyable {
  enum Step: UInt8, BitwiseCopyable {
    /// There is no routine.
    case none
    /// Nothing: a signal, or a call that wants no answer.
    case pass
    /// An answer from the bus is expected.
    case expectAnswer
    /// An answer from the client is expected.
    case expectClientAnswer
    /// It answers a call of the client's, if there is one that its sender may answer.
    case answer
    /// It answers a call that the client was asked.
    case clientAnswer
  }
  var step = Step.none
  /// Who may answer a call.
  var answerer = Answerer.anyone
  /// Whether an answer's sender is the driver; whether the answer is an error.
  var isFromDriver = false, isError = false
  /// For a call from the client: see ``PendingCall/detail``. Otherwise the hash of the peer's name.
  var detail: UInt64 = 0
  /// The policy that allowed it.
  var policy: UInt64 = 0

  /// Whether an answer from this sender is one to `call`: see ``Session/reasonAgainst(_:_:answering:)``.
  @inline(__always)
  func answers(_ call: PendingCall) -> Bool {
    if call.purpose != .call { return false }
    return switch call.answerer {
    case .anyone: true
    case .driver: isFromDriver
    case .uniqueName: detail == call.detail || isError && isFromDriver
    }
  }
}

extension Session {
  /// Deals with `bytes` as far as they go on with a message that passes, or are a run of messages like the last one: the short way
  /// of ``receive(_:from:descriptors:policy:at:into:)``, for a session that ``isAtRest`` and bytes that came without descriptors.
  ///
  /// - Parameter policy: The ``GatePolicy/Policy/identity`` of the policy in force.
  /// - Returns: How many bytes from the first one on are to be forwarded as they are. The others are to be received.
  public mutating func passRoutinely(_ bytes: RawSpan, from side: Side, policy: UInt64) -> Int {
    var stream = side == .client ? fromClient : fromBus
    var count = 0
    if stream.remaining > 0 && stream.passes {
      count = min(stream.remaining, bytes.byteCount)
      stream.remaining &-= count
    }
    if stream.remaining == 0 && count < bytes.byteCount {
      count &+= passRun(bytes, from: count, side, policy, &stream)
    }
    counters.countBytes(count, from: side)
    if side == .client { fromClient = stream } else { fromBus = stream }
    return count
  }

  /// Bytes of a message from `side` that passes that are still to come.
  @inline(__always)
  public func restByteCount(from side: Side) -> Int {
    switch side {
    case .client: fromClient.passes ? fromClient.remaining : 0
    case .bus: fromBus.passes ? fromBus.remaining : 0
    }
  }

  /// `count` of the ``restByteCount(from:)`` bytes, none of which came here, were forwarded.
  public mutating func passedRest(_ count: Int, from side: Side) {
    precondition(count >= 0 && count <= restByteCount(from: side), "passed on more than the rest of a message")
    switch side {
    case .client: fromClient.remaining -= count
    case .bus: fromBus.remaining -= count
    }
    counters.countBytes(count, from: side)
  }

  /// Bytes of the last message from `side` whose header was read, as a guess at the next one.
  @inline(__always)
  public mutating func lastMessageByteCount(from side: Side) -> Int {
    switch side {
    case .client: clientHeaders.header.frame.messageByteCount
    case .bus: busHeaders.header.frame.messageByteCount
    }
  }

  /// Deals with the messages from `start` on for which the routine of their side is enough.
  ///
  /// - Returns: How many bytes are to be forwarded; with the last message `stream` says what is still to come of it.
  @inline(__always)
  mutating func passRun(_ bytes: RawSpan, from start: Int, _ side: Side, _ policy: UInt64, _ stream: inout Stream) -> Int {
    switch side {
    case .client: passOutgoingRun(bytes, from: start, policy, &stream)
    case .bus: passIncomingRun(bytes, from: start, policy, &stream)
    }
  }

  private mutating func passOutgoingRun(_ bytes: RawSpan, from start: Int, _ policy: UInt64, _ stream: inout Stream) -> Int {
    if outgoingRoutine.step == .none || outgoingRoutine.policy != policy { return 0 }
    let routine = outgoingRoutine
    let sizeMax = settings.limits.messageBytesMax
    var at = start, count: UInt64 = 0
    while let next = clientHeaders.repetition(in: bytes, at: at), next.messageByteCount <= sizeMax {
      switch routine.step {
      case .pass: break
      case .expectAnswer:
        let call = PendingCall(serial: next.serial, purpose: .call, answerer: routine.answerer, detail: routine.detail)
        if outgoingCalls.insert(call) != .done { return endRun(.client, start, at, count) }
      case .clientAnswer:
        if !incomingCalls.remove(caller: routine.detail, serial: next.replySerial) {
          return endRun(.client, start, at, count)
        }
      case .none, .expectClientAnswer, .answer: preconditionFailure("not what a client's message is treated by")
      }
      count &+= 1
      let left = next.messageByteCount &- (bytes.byteCount &- at)
      if left > 0 {
        stream = Stream(remaining: left, passes: true)
        at = bytes.byteCount
        break
      }
      at &+= next.messageByteCount
    }
    return endRun(.client, start, at, count)
  }

  private mutating func passIncomingRun(_ bytes: RawSpan, from start: Int, _ policy: UInt64, _ stream: inout Stream) -> Int {
    if incomingRoutine.step == .none || incomingRoutine.policy != policy { return 0 }
    let routine = incomingRoutine
    let sizeMax = settings.limits.messageBytesMax
    var at = start, count: UInt64 = 0
    while let next = busHeaders.repetition(in: bytes, at: at), next.messageByteCount <= sizeMax {
      switch routine.step {
      case .pass: break
      case .answer:
        guard let place = outgoingCalls.place(of: next.replySerial), routine.answers(outgoingCalls[place]) else {
          return endRun(.bus, start, at, count)
        }
        outgoingCalls.remove(at: place)
      case .expectClientAnswer:
        incomingCalls.insert(caller: routine.detail, serial: next.serial)
      case .none, .expectAnswer, .clientAnswer: preconditionFailure("not what a message of the bus is treated by")
      }
      count &+= 1
      let left = next.messageByteCount &- (bytes.byteCount &- at)
      if left > 0 {
        stream = Stream(remaining: left, passes: true)
        at = bytes.byteCount
        break
      }
      at &+= next.messageByteCount
    }
    return endRun(.bus, start, at, count)
  }

  @inline(__always)
  private mutating func endRun(_ side: Side, _ start: Int, _ end: Int, _ count: UInt64) -> Int {
    if count == 0 { return 0 }
    let type = side == .client ? clientHeaders.header.frame.type : busHeaders.header.frame.type
    counters.countAllowed(count, from: side, type.rawValue)
    return end &- start
  }

  /// What routines rest on has changed.
  mutating func forgetRoutines() {
    outgoingRoutine.step = .none
    incomingRoutine.step = .none
  }

  /// A message with the header of the one before it was allowed, without a word in the log: the next one like it need not be asked about,
  /// if all that it was asked stands in its header and cannot have another answer while the policy stays the same.
  @inline(never)
  mutating func learnRoutine(_ message: RawSpan, _ header: MessageHeader, _ side: Side, _ policy: Policy) {
    if header.unixFDs > 0 || isMonitor { return }
    var routine = Routine()
    routine.policy = policy.identity
    if settings.isUnfiltered {
      if helloPhase != .answered { return }
      routine.step = .pass
      switch side {
      case .client: outgoingRoutine = routine
      case .bus: incomingRoutine = routine
      }
      return
    }
    if let names, !names.isReady { return }
    let type = header.frame.type
    let wantsAnswer = type == .methodCall && !header.frame.flags.contains(.noReplyExpected)
    let destination = message.bytes(in: header.destination)
    let sender = message.bytes(in: header.sender)
    switch (side, type) {
    case (.client, .methodCall), (.client, .signal):
      if settings.saysHello && helloPhase != .answered { return }
      if destination.isEqual(to: Driver.name) || (destination.byteCount == 0 && type == .methodCall) { return }
      let isUnique = destination.starts(with: UInt8(ascii: ":"))
      routine.step = wantsAnswer ? .expectAnswer : .pass
      routine.answerer = isUnique ? .uniqueName : .anyone
      routine.detail = isUnique ? settings.seed.hash(destination) : 0
    case (.client, _):
      routine.step = .clientAnswer
      routine.detail = settings.seed.hash(destination)
    case (.bus, .methodCall), (.bus, .signal):
      // A name that the client acquired it may also lose.
      if !(header.destination.isAbsent && type == .signal) && !isUniqueName(destination) { return }
      if sender.isEqual(to: Driver.name) { return }
      routine.step = wantsAnswer ? .expectClientAnswer : .pass
      routine.detail = settings.seed.hash(sender)
    case (.bus, _):
      if !isUniqueName(destination) || header.sender.isAbsent { return }
      routine.step = .answer
      routine.detail = settings.seed.hash(sender)
      routine.isFromDriver = sender.isEqual(to: Driver.name)
      routine.isError = type == .error
    }
    switch side {
    case .client: outgoingRoutine = routine
    case .bus: incomingRoutine = routine
    }
  }
}
