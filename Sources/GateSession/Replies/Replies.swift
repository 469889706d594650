// Which calls wait for their answers, in both directions, and which serials the gate's own messages take. What the client has under way and
// what the gate has share one table, so that an answer is never taken for that to another call.

import DBusWire

/// Calls without an answer, and the serials of the gate's own messages.
struct Replies: ~Copyable {
  private var outgoing: ReplyTable
  private var incoming: CallerTable
  private var serials = OwnSerials()
  private var questions: [NameQuestion] = []
  /// The highest serial of what the client said without asking for an answer. dbus-daemon may answer it all the same: with that serial, or a
  /// lower one, an answer is not certain to be what it looks like.
  private var unansweredSerialMax: UInt32 = 0
  /// Calls of the gate's own, but for Hello, that are not answered.
  private(set) var ownCallCount = 0
  /// Those of them that ask whether callers are still there.
  private(set) var callersAsked = 0

  /// Calls of that kind under way at a time, and those that one call to the client leads to. One for each would be too few: of those that
  /// are asked for some are still there, and must not keep the gate from those that are not.
  private static let callersAskedMax = 8, callersAskedAtOnce = 4

  init(_ settings: SessionSettings, budgets: CallBudgets?) {
    let limits = settings.limits
    outgoing = ReplyTable(limit: limits.pendingRepliesMax, seed: settings.seed, budget: budgets?.outgoing)
    incoming = CallerTable(
      perCallerLimit: limits.incomingCallsPerCallerMax, limit: limits.incomingCallsMax, seed: settings.seed,
      budget: budgets?.incoming)
  }

  /// Calls of the client's, and of the gate's own, without an answer.
  var outgoingCount: Int { outgoing.count }
  /// Calls that the client was asked and has not answered.
  var incomingCount: Int { incoming.count }

  // MARK: The client's calls

  /// The call that an answer with this REPLY_SERIAL would be for.
  @inline(__always)
  func awaited(_ serial: UInt32) -> PendingCall? { outgoing.find(serial) }

  /// Remembers that an answer is expected; nil if that could be done.
  @inline(__always)
  mutating func expect(_ call: PendingCall) -> Verdict.Reason? {
    switch outgoing.insert(call) {
    case .done: nil
    case .full: .pendingReplies
    case .totalIsFull: .pendingRepliesTotal
    case .serialInUse: .serialInUse
    }
  }

  /// Takes away the call that an answer with this REPLY_SERIAL, from this one, is for, if it is one of the client's to a peer; says whether
  /// there was one.
  @inline(__always)
  mutating func take(_ serial: UInt32, from sender: ReplySender) -> Bool {
    guard let place = outgoing.place(of: serial) else { return false }
    let call = outgoing[place]
    if call.purpose != .call || !sender.mayAnswer(call) { return false }
    outgoing.remove(at: place)
    return true
  }

  /// A call is answered, or was not made. Precondition: it is ``awaited(_:)``.
  mutating func remove(_ serial: UInt32) {
    outgoing.remove(serial)
    if let place = questions.firstIndex(where: { $0.serial == serial }) { questions.remove(at: place) }
  }

  // MARK: Questions about names

  /// What is asked about the name stays known until it is answered.
  mutating func note(_ question: NameQuestion) {
    if questions.count < NameQuestion.questionsMax { questions.append(question) }
  }

  /// What the call with this serial asked; nil: nothing about a name, or it is not known any more.
  func question(_ serial: UInt32) -> NameQuestion? { questions.first { $0.serial == serial } }

  // MARK: What no answer is looked for to

  /// Whether the answer to a call of the client's will be certain to be that.
  func hasCertainReply(_ message: MessageView) -> Bool { message.wantsReply && message.serial > unansweredSerialMax }

  /// The client has said something of which no account is kept.
  @inline(__always)
  mutating func noteUnanswered(_ serial: UInt32) {
    serials.noteClientUse(of: serial)
    unansweredSerialMax = max(unansweredSerialMax, serial)
  }

  /// The same; false: its serial may have to wait, and nothing was noted.
  @inline(__always)
  mutating func noteUnansweredAtOnce(_ serial: UInt32) -> Bool {
    if serial >= OwnSerials.first { return false }
    unansweredSerialMax = max(unansweredSerialMax, serial)
    return true
  }

  /// Whether the serial is for now that of a call of the gate's own.
  func isTakenByOwnCall(_ serial: UInt32) -> Bool { outgoing.find(serial)?.purpose.isOwn ?? false }

  /// Whether a message of which no account is kept may have its serial: see ``OwnSerials``.
  func mayClientUse(_ serial: UInt32) -> Bool { serials.mayClientUse(serial) }

  /// Whether who waits for a serial waits for an answer to a call that is not made yet.
  var lacksFence: Bool { serials.lacksFence }

  // MARK: Calls that the client is asked

  /// Whether there are so many that callers that are gone should make room.
  var isCrowded: Bool { incoming.isCrowded }

  /// Remembers a call that the client is to answer; nil if that could be done.
  mutating func expectClientReply(caller: UInt64, _ name: RawSpan, _ serial: UInt32) -> Verdict.Reason? {
    switch incoming.insert(caller: caller, name, serial: serial) {
    case .done: nil
    case .callerIsFull: .pendingIncomingPerCaller
    case .isFull: .pendingIncoming
    case .totalIsFull: .pendingRepliesTotal
    }
  }

  /// The same where there is room for whoever calls; false: there may be none, and nothing was remembered.
  @inline(__always)
  mutating func expectClientReplyAtOnce(caller: UInt64, _ name: RawSpan, _ serial: UInt32) -> Bool {
    if !incoming.hasRoomForAny { return false }
    let insertion = incoming.insert(caller: caller, name, serial: serial)
    precondition(insertion == .done, "there was no room where there was room for any")
    return true
  }

  /// Whether the client may answer this caller's call.
  func mayClientReply(to caller: UInt64, _ serial: UInt32) -> Bool { incoming.contains(caller: caller, serial: serial) }

  /// Takes away a call that the client has answered; says whether there was one.
  @inline(__always)
  mutating func takeClientReply(to caller: UInt64, _ serial: UInt32) -> Bool { incoming.remove(caller: caller, serial: serial) }

  /// A caller has left: its calls need no answer any more.
  mutating func forget(caller: UInt64) { incoming.removeAll(of: caller) }

  /// The callers that the bus is to be asked for now.
  mutating func takeCallersToAsk() -> [(name: UInt64, text: [UInt8])] {
    var callers: [(name: UInt64, text: [UInt8])] = []
    // It is asked for the client itself, too, and that whatever else is asked.
    for _ in 0..<min(Self.callersAskedAtOnce, max(0, Self.callersAskedMax - callersAsked)) {
      guard let caller = incoming.takeCallerToAsk() else { break }
      callers.append(caller)
    }
    return callers
  }

  // MARK: The gate's own messages

  /// A serial for a message of the gate's own that is no call.
  mutating func takeOwnSerial() -> UInt32 { serials.take() }

  /// A serial that no call has which waits for its answer.
  mutating func takeFreeSerial() -> UInt32 {
    var serial = serials.take()
    while outgoing.contains(serial) { serial = serials.take() }
    return serial
  }

  /// The gate says Hello, the first call of a connection.
  mutating func noteOwnHello(_ serial: UInt32) {
    let hello = PendingCall(serial: serial, purpose: .ownHello, expectedSender: .driver, detail: 0)
    precondition(outgoing.insert(hello) == .done, "Hello is the first call of a connection")
  }

  /// The gate makes a call of its own; returns its serial.
  mutating func noteOwnCall(_ purpose: CallPurpose, detail: UInt64) -> UInt32 {
    let serial = takeFreeSerial()
    let call = PendingCall(serial: serial, purpose: purpose, expectedSender: .driver, detail: detail)
    precondition(outgoing.insert(call, beyondLimit: true) == .done, "a free serial is in use")
    ownCallCount += 1
    if purpose == .ownNameHasOwner { callersAsked += 1 }
    serials.noteCall(serial)
    return serial
  }

  /// A call of the gate's own, but for Hello, is answered: its serial is free again.
  mutating func takeOwnReply(_ serial: UInt32) {
    if let call = outgoing.find(serial), call.purpose == .ownNameHasOwner { callersAsked -= 1 }
    outgoing.remove(serial)
    ownCallCount -= 1
    serials.noteAnswer(to: serial)
  }
}
