// What a session remembers of the last kinds of message of each direction: their headers, what was decided about them, and what is left to
// do for the next message with the same header. A decision that rests on nothing but the header and the policy holds for it too.
//
// The memory is only there for who needs it: a client that says Hello and nothing more has none.

import DBusWire
import GatePolicy

/// One kind of message: a header, but for its numbers.
struct Lane: ~Copyable {
  /// What the rules said about it.
  struct RememberedMatch {
    var match = RuleMatch.none
    /// The policy that said so; 0: nothing is remembered.
    var policy: UInt64 = 0
  }

  var headers = HeaderMemory()
  var match = RememberedMatch()
  var routine = Routine()
  /// With ``Routine/Step/refuse``: the error that the sender gets, but for its numbers; empty if it gets none.
  var answer: [UInt8] = []

  /// Another header is to be remembered.
  mutating func clear() {
    match.policy = 0
    routine.step = .none
    if !answer.isEmpty { answer = [] }
  }
}

/// The last two kinds of one direction, so that two that take turns are both remembered.
@safe
struct Lanes: ~Copyable {
  /// So many messages of every connection go by before it is worth remembering them: Hello, its answer, and what follows from it.
  private static let firstMessages: UInt8 = 4

  private var memory: UnsafeMutablePointer<Lane>?
  private var currentIndex = 0
  private var messageCount: UInt8 = 0
  /// Nothing is remembered, however many messages there are: what comes of a message must not hang on it.
  var isOff = false

  deinit {
    guard let memory = unsafe memory else { return }
    unsafe memory.deinitialize(count: 2)
    unsafe memory.deallocate()
  }

  /// That of the last message that was read; nil as long as nothing is remembered.
  @inline(__always)
  var current: UnsafeMutablePointer<Lane>? {
    guard let memory = unsafe memory else { return nil }
    return unsafe memory + currentIndex
  }

  /// One whose header a message has, and the message's numbers.
  typealias Found = (lane: UnsafeMutablePointer<Lane>, first: HeaderMemory.Repetition)

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

  /// Reads the header at the front of `message`, for which ``find(_:at:)`` found none, into `header`.
  @inline(__always)
  mutating func read(_ message: RawSpan, frame: MessageFrame, into header: inout MessageHeader) throws(WireError) {
    if unsafe memory == nil && !begin() {
      try header.read(message, frame: frame)
      return
    }
    guard let memory = unsafe memory else { preconditionFailure("there is memory now") }
    currentIndex ^= 1
    let lane = unsafe memory + currentIndex
    unsafe lane.pointee.clear()
    try unsafe lane.pointee.headers.replace(message, frame: frame)
    header = unsafe lane.pointee.headers.header
  }

  /// Whether it is time to remember; then there is memory.
  @inline(never)
  private mutating func begin() -> Bool {
    if isOff { return false }
    if messageCount < Self.firstMessages {
      messageCount += 1
      return false
    }
    let memory = UnsafeMutablePointer<Lane>.allocate(capacity: 2)
    unsafe memory.initialize(to: Lane())
    unsafe (memory + 1).initialize(to: Lane())
    unsafe self.memory = unsafe memory
    return true
  }

  /// What routines rest on has changed.
  mutating func forgetRoutines() {
    guard let memory = unsafe memory else { return }
    unsafe memory.pointee.routine.step = .none
    unsafe (memory + 1).pointee.routine.step = .none
  }

  /// Bytes of the last message whose header was read, as a guess at the next one.
  @inline(__always)
  var lastMessageByteCount: Int {
    guard let current = unsafe current else { return 0 }
    return unsafe current.pointee.headers.messageByteCount
  }
}
