// What a session remembers of the last kinds of message of each direction: their headers, what was decided about them, and the error that a
// refused one gets. Whether a decision may be remembered is the decision's own word (Decision.Validity); nobody else is asked.
//
// The memory is only there for who needs it: a client that says Hello and nothing more has none.

import DBusWire

/// The last two kinds of message of one direction, so that two that take turns are both remembered.
@safe
struct DecisionCache: ~Copyable {
  /// One kind of message: a header, but for its numbers.
  struct Entry: ~Copyable {
    var headers = HeaderMemory()
    fileprivate(set) var decision = CachedDecision()
    /// Of what is refused: the error that the sender gets, but for its numbers; empty if it gets none.
    fileprivate(set) var reply: [UInt8] = []

    /// Another header is to be remembered.
    fileprivate mutating func clear() {
      decision.forget()
      if !reply.isEmpty { reply = [] }
    }
  }

  /// So many messages of every connection go by before it is worth remembering them: Hello, its answer, and what follows from it.
  private static let firstMessages: UInt8 = 4

  private var memory: UnsafeMutablePointer<Entry>?
  private var currentIndex = 0
  private var messageCount: UInt8 = 0
  /// Nothing is remembered, however many messages there are: what comes of a message must not hang on it.
  private var isOff = false

  deinit {
    guard let memory = unsafe memory else { return }
    unsafe memory.deinitialize(count: 2)
    unsafe memory.deallocate()
  }

  /// From now on nothing is remembered. Called before the first message.
  mutating func turnOff() { isOff = true }

  /// One whose header a message has, and the message's numbers.
  typealias Found = (entry: UnsafeMutablePointer<Entry>, first: HeaderMemory.Repetition)

  /// The one whose header the message at `start` has, if there is such a one and all of the header is there. It is then the current one.
  ///
  /// - Parameter isOther: Whether the current one is unlikely to be it, since a run of its messages has just ended.
  @inline(__always)
  mutating func find(_ bytes: RawSpan, at start: Int, isOther: Bool) -> Found? {
    guard let memory = unsafe memory else { return nil }
    let likely = isOther ? currentIndex ^ 1 : currentIndex
    if let first = unsafe memory[likely].headers.repetition(in: bytes, at: start) {
      currentIndex = likely
      return unsafe (memory + likely, first)
    }
    guard let first = unsafe memory[likely ^ 1].headers.repetition(in: bytes, at: start) else { return nil }
    currentIndex = likely ^ 1
    return unsafe (memory + currentIndex, first)
  }

  /// Reads the header at the front of `message`, for which ``find(_:at:isOther:)`` found none, into `header`.
  @inline(__always)
  mutating func read(_ message: RawSpan, frame: MessageFrame, into header: inout MessageHeader) throws(WireError) {
    if unsafe memory == nil && !begin() {
      try header.read(message, frame: frame)
      return
    }
    guard let memory = unsafe memory else { preconditionFailure("there is memory now") }
    currentIndex ^= 1
    let entry = unsafe memory + currentIndex
    unsafe entry.pointee.clear()
    try unsafe entry.pointee.headers.replace(message, frame: frame)
    header = unsafe entry.pointee.headers.header
  }

  /// Whether it is time to remember; then there is memory.
  @inline(never)
  private mutating func begin() -> Bool {
    if isOff { return false }
    if messageCount < Self.firstMessages {
      messageCount += 1
      return false
    }
    let memory = UnsafeMutablePointer<Entry>.allocate(capacity: 2)
    unsafe memory.initialize(to: Entry())
    unsafe (memory + 1).initialize(to: Entry())
    unsafe self.memory = unsafe memory
    return true
  }

  /// Whether a decision may be remembered. Its maker says so, and nobody else is asked.
  @inline(__always)
  static func mayStore(_ decision: Decision) -> Bool { decision.validity == .whileNothingChanges }

  /// Remembers a decision about the message whose header `entry` has. Precondition: it may be.
  ///
  /// - Parameter reply: The error that its sender got; empty if it got none, nil if the next one may get another.
  @inline(never)
  static func store(
    _ decision: Decision, in entry: UnsafeMutablePointer<Entry>, descriptors: Int, epoch: UInt64, isLogged: Bool, reply: [UInt8]?
  ) {
    precondition(mayStore(decision), "what holds for one message was remembered")
    unsafe entry.pointee.decision = CachedDecision(
      decision, descriptors: descriptors, epoch: epoch, isLogged: isLogged, isReplyKnown: reply != nil)
    unsafe entry.pointee.reply = reply ?? []
  }

  /// Bytes of the last message whose header was read, as a guess at the next one.
  @inline(__always)
  var lastMessageByteCount: Int {
    guard let memory = unsafe memory else { return 0 }
    return unsafe memory[currentIndex].headers.messageByteCount
  }
}
