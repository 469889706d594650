// Messages of one stream come in runs: the same call again and again, answers that look like the last one. What was decided about a
// header holds for the next message with the same header; only its numbers are new. A run goes by in one loop that does what is
// left to do, and leaves everything else to the long way (Session+Framing), which decides about each message by itself.

import DBusWire
import GatePolicy

/// What is left to do for a message whose header is that of one before it but for its numbers, and of which becomes what became of that.
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
    /// It does not pass: ``Routine/verdict``.
    case refuse
  }
  var step = Step.none
  /// Who may answer a call.
  var expectedSender = ExpectedSender.anyone
  /// Whether an answer's sender is the driver; whether the answer is an error.
  var isFromDriver = false, isError = false
  /// For a call from the client: see ``PendingCall/detail``. Otherwise the hash of the peer's name.
  var detail: UInt64 = 0
  /// How many descriptors each message has. Where there are any, each message is a run of its own.
  var descriptors: UInt16 = 0
  /// The policy that decided.
  var policy: UInt64 = 0
  /// Of what is refused.
  var verdict = Verdict(.drop, .noRule)

  /// Whether there is a routine by which messages pass.
  @inline(__always)
  var passes: Bool {
    switch step {
    case .none, .refuse: false
    case .pass, .expectAnswer, .expectClientAnswer, .answer, .clientAnswer: true
    }
  }

  /// Whether an answer from this sender is one to `call`: see ``Session/reasonAgainst(_:_:answering:)``.
  @inline(__always)
  func answers(_ call: PendingCall) -> Bool {
    if call.purpose != .call { return false }
    return switch call.expectedSender {
    case .anyone: true
    case .driver: isFromDriver
    case .uniqueName: detail == call.detail || isError && isFromDriver
    }
  }
}

extension Session {
  /// Deals with `bytes` as far as they go on with a message that passes, or are a run of messages like the last one: the short way
  /// of ``receive(_:from:descriptors:policy:at:into:)``, for a session that ``isAtRest``.
  ///
  /// - Parameter descriptors: How many came with the bytes. If there are any, what is forwarded is one message, or its beginning, that has
  ///   them all.
  /// - Parameter policy: The ``GatePolicy/Policy/identity`` of the policy in force.
  /// - Returns: How many bytes from the first one on are to be forwarded as they are. The others are to be received.
  @inline(__always)
  public mutating func forwardFromCache(_ bytes: RawSpan, from side: Side, descriptors: Int = 0, policy: UInt64) -> Int {
    var stream = side == .client ? fromClient : fromBus
    var count = 0
    if stream.remaining > 0 && stream.passes && descriptors == 0 {
      count = min(stream.remaining, bytes.byteCount)
      stream.remaining &-= count
    }
    if stream.remaining == 0 && count < bytes.byteCount, let found = unsafe findLane(bytes, count, side),
      unsafe Int(found.lane.pointee.routine.descriptors) == descriptors
    {
      count &+= unsafe passRun(bytes, from: count, side, found, policy, &stream)
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
    case .client: clientLanes.lastMessageByteCount
    case .bus: busLanes.lastMessageByteCount
    }
  }

  /// What is remembered of the kind of the message at `start`, if anything is.
  @inline(__always)
  mutating func findLane(_ bytes: RawSpan, _ start: Int, _ side: Side, isOther: Bool = false) -> Lanes.Found? {
    switch side {
    case .client: unsafe clientLanes.find(bytes, at: start, isOther: isOther)
    case .bus: unsafe busLanes.find(bytes, at: start, isOther: isOther)
    }
  }

  /// Deals with the messages from `start` on, which are of one kind, if the routine of their kind is enough and lets them pass.
  ///
  /// - Returns: How many bytes are to be forwarded; with the last message `stream` says what is still to come of it.
  @inline(__always)
  mutating func passRun(
    _ bytes: RawSpan, from start: Int, _ side: Side, _ found: Lanes.Found, _ policy: UInt64, _ stream: inout Stream
  ) -> Int {
    if unsafe !found.lane.pointee.routine.passes || found.lane.pointee.routine.policy != policy { return 0 }
    return switch side {
    case .client: unsafe passOutgoingRun(bytes, from: start, found, &stream)
    case .bus: unsafe passIncomingRun(bytes, from: start, found, &stream)
    }
  }

  private mutating func passOutgoingRun(
    _ bytes: RawSpan, from start: Int, _ found: Lanes.Found, _ stream: inout Stream
  ) -> Int {
    let lane = unsafe found.lane
    let routine = unsafe lane.pointee.routine
    let sizeMax = settings.limits.messageBytesMax
    var at = start, count: UInt64 = 0
    var following: HeaderMemory.Repetition? = unsafe found.first
    while let next = following, next.messageByteCount <= sizeMax {
      switch routine.step {
      case .pass:
        // Its serial may have to wait: see OwnSerials.
        if next.serial >= OwnSerials.first { return unsafe endRun(.client, lane, start, at, count) }
        unansweredSerialMax = max(unansweredSerialMax, next.serial)
      case .expectAnswer:
        let call = PendingCall(
          serial: next.serial, purpose: .call, expectedSender: routine.expectedSender, detail: routine.detail)
        if outgoingCalls.insert(call) != .done { return unsafe endRun(.client, lane, start, at, count) }
      case .clientAnswer:
        if next.serial >= OwnSerials.first { return unsafe endRun(.client, lane, start, at, count) }
        if !incomingCalls.remove(caller: routine.detail, serial: next.replySerial) {
          return unsafe endRun(.client, lane, start, at, count)
        }
        unansweredSerialMax = max(unansweredSerialMax, next.serial)
      case .none, .expectClientAnswer, .answer, .refuse: preconditionFailure("not what a client's message is treated by")
      }
      count &+= 1
      let left = next.messageByteCount &- (bytes.byteCount &- at)
      if left > 0 {
        stream = Stream(remaining: left, passes: true)
        at = bytes.byteCount
        break
      }
      at &+= next.messageByteCount
      if routine.descriptors > 0 { break }
      following = unsafe lane.pointee.headers.repetition(in: bytes, at: at)
    }
    return unsafe endRun(.client, lane, start, at, count)
  }

  private mutating func passIncomingRun(
    _ bytes: RawSpan, from start: Int, _ found: Lanes.Found, _ stream: inout Stream
  ) -> Int {
    let lane = unsafe found.lane
    let routine = unsafe lane.pointee.routine
    let sizeMax = settings.limits.messageBytesMax
    var at = start, count: UInt64 = 0
    var following: HeaderMemory.Repetition? = unsafe found.first
    while let next = following, next.messageByteCount <= sizeMax {
      switch routine.step {
      case .pass: break
      case .answer:
        guard let place = outgoingCalls.place(of: next.replySerial), routine.answers(outgoingCalls[place]) else {
          return unsafe endRun(.bus, lane, start, at, count)
        }
        outgoingCalls.remove(at: place)
      case .expectClientAnswer:
        if !incomingCalls.hasRoomForAny { return unsafe endRun(.bus, lane, start, at, count) }
        let sender = unsafe bytes.extracting(at...).bytes(in: lane.pointee.headers.header.sender)
        let insertion = incomingCalls.insert(caller: routine.detail, sender, serial: next.serial)
        precondition(insertion == .done, "there was no room where there was room for any")
      case .none, .expectAnswer, .clientAnswer, .refuse: preconditionFailure("not what a message of the bus is treated by")
      }
      count &+= 1
      let left = next.messageByteCount &- (bytes.byteCount &- at)
      if left > 0 {
        stream = Stream(remaining: left, passes: true)
        at = bytes.byteCount
        break
      }
      at &+= next.messageByteCount
      if routine.descriptors > 0 { break }
      following = unsafe lane.pointee.headers.repetition(in: bytes, at: at)
    }
    return unsafe endRun(.bus, lane, start, at, count)
  }

  @inline(__always)
  private mutating func endRun(
    _ side: Side, _ lane: UnsafeMutablePointer<Lane>, _ start: Int, _ end: Int, _ count: UInt64
  ) -> Int {
    if count == 0 { return 0 }
    counters.countAllowed(count, from: side, unsafe lane.pointee.headers.header.frame.type.rawValue)
    return end &- start
  }

  /// Deals with the messages from `start` on, which are of one kind, if that is refused by routine.
  ///
  /// - Returns: How many bytes are to be skipped; with the last message `stream` says what is still to come of it.
  @inline(__always)
  mutating func refuseRun(
    _ bytes: RawSpan, from start: Int, _ side: Side, _ found: Lanes.Found, _ policy: UInt64, _ stream: inout Stream
  ) -> Int {
    if unsafe found.lane.pointee.routine.step != .refuse || found.lane.pointee.routine.policy != policy { return 0 }
    return unsafe refuseRun(bytes, from: start, side, found, &stream)
  }

  private mutating func refuseRun(
    _ bytes: RawSpan, from start: Int, _ side: Side, _ found: Lanes.Found, _ stream: inout Stream
  ) -> Int {
    let lane = unsafe found.lane
    let sizeMax = settings.limits.messageBytesMax
    let verdict = unsafe lane.pointee.routine.verdict
    let type = unsafe lane.pointee.headers.header.frame.type.rawValue
    let order = unsafe lane.pointee.headers.header.frame.byteOrder
    var at = start, count: UInt64 = 0
    var following: HeaderMemory.Repetition? = unsafe found.first
    while let next = following, next.messageByteCount <= sizeMax, hasRoomForAnswers(to: side) {
      if unsafe !lane.pointee.answer.isEmpty {
        // Learnt from the client's calls only.
        let serial = takeOwnSerial()
        unsafe ownToClient.append(
          lane.pointee.answer.span.bytes, order: order, serial: serial, replySerial: next.serial)
      }
      count &+= 1
      let left = next.messageByteCount &- (bytes.byteCount &- at)
      if left > 0 {
        stream = Stream(remaining: left, passes: false)
        at = bytes.byteCount
        break
      }
      at &+= next.messageByteCount
      following = unsafe lane.pointee.headers.repetition(in: bytes, at: at)
    }
    if count == 0 { return 0 }
    counters.countRefused(count, from: side, verdict, type)
    counters.countSkippedBytes(at &- start, from: side)
    return at &- start
  }

  /// What routines rest on has changed.
  mutating func forgetRoutines() {
    clientLanes.forgetRoutines()
    busLanes.forgetRoutines()
  }

  /// A message with the header of one before it was decided on, without a word in the log: the next one like it need not be asked about,
  /// if all that it was asked stands in its header and cannot have another answer while the policy stays the same.
  @inline(never)
  mutating func learnRoutine(
    _ message: RawSpan, _ header: MessageHeader, _ side: Side, _ verdict: Verdict, _ policy: Policy,
    _ lane: UnsafeMutablePointer<Lane>
  ) {
    if isMonitor { return }
    var routine = Routine()
    routine.policy = policy.identity
    if settings.isUnfiltered {
      if helloPhase != .answered { return }
      routine.step = .pass
      routine.descriptors = UInt16(clamping: header.unixFDs)
      unsafe lane.pointee.routine = routine
      return
    }
    // What rests on who owns which name is forgotten when that changes; as long as it is not known, nothing is learnt.
    if let names, !names.isReady { return }
    switch verdict.action {
    case .allow:
      routine.descriptors = UInt16(clamping: header.unixFDs)  // no more than the kernel allows, or it would not have passed
      learnToPass(message, header, side, &routine)
    case .deny: unsafe learnToRefuse(message, header, side, verdict, &routine, lane)
    case .audit, .drop: return
    }
    unsafe lane.pointee.routine = routine
  }

  private func learnToPass(_ message: RawSpan, _ header: MessageHeader, _ side: Side, _ routine: inout Routine) {
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
      routine.expectedSender = isUnique ? .uniqueName : .anyone
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
  }

  /// Of what is refused, only what the rules refuse, and of that the client's calls and everybody's signals.
  private mutating func learnToRefuse(
    _ message: RawSpan, _ header: MessageHeader, _ side: Side, _ verdict: Verdict, _ routine: inout Routine,
    _ lane: UnsafeMutablePointer<Lane>
  ) {
    if verdict.reason != .noRule && verdict.reason != .rule || header.unixFDs > 0 { return }
    let destination = message.bytes(in: header.destination)
    let isCall = header.frame.type == .methodCall
    switch (side, header.frame.type) {
    case (.client, .methodCall), (.client, .signal):
      if helloPhase != .answered || uniqueName.isEmpty { return }
      if destination.isEqual(to: Driver.name) || (destination.byteCount == 0 && isCall) { return }
    case (.bus, .signal):
      if !header.destination.isAbsent || message.bytes(in: header.sender).isEqual(to: Driver.name) { return }
    default:
      return
    }
    routine.step = .refuse
    routine.verdict = verdict
    if isCall && !header.frame.flags.contains(.noReplyExpected) { unsafe lane.pointee.answer = ownToClient.lastAnswer }
  }
}
