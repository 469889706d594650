// What a session asks of whoever drives it. One Output serves a whole loop: it is emptied, filled by one call to the session,
// carried out, and emptied again. It holds no memory beyond itself. Reading it is mutating so that it is read where it is: the
// compiler copies a borrowed value of this size first.

/// The effects of one call to a session, in order.
///
/// Source: ours.
public struct Output: ~Copyable {
  /// Something to do with the bytes that were received, or with the gate's own.
  public struct Action: BitwiseCopyable, Sendable {
    /// What to do.
    public enum Kind: UInt8, BitwiseCopyable, Sendable {
      /// Send these bytes to the other peer; the first `descriptors` of the queue go with the first byte.
      case forward
      /// Forget these bytes; close the first `descriptors` of the queue.
      case skip
      /// Send so many bytes of the session's local output to the other peer.
      case local
    }
    /// What to do.
    public var kind: Kind
    /// How many descriptors leave the queue.
    public var descriptors: UInt16
    /// Offset in the bytes that were received.
    public var offset: UInt32
    /// Number of bytes.
    public var count: UInt32

    /// That.
    public init(kind: Kind, descriptors: UInt16, offset: UInt32, count: UInt32) {
      (self.kind, self.descriptors, self.offset, self.count) = (kind, descriptors, offset, count)
    }
  }

  /// Why the session did not consume everything.
  public enum Wait: BitwiseCopyable, Sendable {
    /// It did, or what is left is the beginning of something: more bytes are needed.
    case bytes
    /// The output is full: carry it out and call again.
    case room
    /// The connection to the bus is not ready.
    case bus
    /// Whether the peer's claim about its user is true: see ``Output/claimedUID``.
    case identity
    /// Too much of the local output waits for this side.
    case localOutput(Side)
    /// The serial of the next message is taken by a call of the gate's own until its answer is in.
    case serial
    /// The ``OwnerDirectory`` has asked the bus and not been answered.
    case owners
  }

  /// Things to do once the actions are done.
  public struct Requests: OptionSet, Sendable {
    /// The bits.
    public var rawValue: UInt8
    /// From the bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Open the connection to the bus, then call ``Session/busConnected(at:saysUID:over:)``.
    public static let connectBus = Requests(rawValue: 1)
    /// Offer the client's bytes again, if some wait.
    public static let resumeClient = Requests(rawValue: 2)
    /// Hello was answered: the connection no longer counts as one that dbus-daemon may refuse others for.
    public static let helloDone = Requests(rawValue: 4)
    /// The bus said who it is: ``Session/bus``.
    public static let busKnown = Requests(rawValue: 8)
    /// Find out which bus it is, then call ``Session/busIdentified(_:into:)``.
    public static let identifyBus = Requests(rawValue: 16)
  }

  /// How many actions fit.
  public static let actionsMax = 64
  /// How many decisions fit.
  public static let decisionsMax = 32

  private var actions = InlineArray<64, Action>(repeating: Action(kind: .skip, descriptors: 0, offset: 0, count: 0))
  private var decisions = InlineArray<32, DecisionRecord>(
    repeating: DecisionRecord(offset: 0, verdict: Verdict(.drop, .noRule)))
  /// How many actions there are.
  public private(set) var actionCount = 0
  /// How many decisions there are.
  public private(set) var decisionCount = 0
  /// Why the session stopped.
  public internal(set) var wait = Wait.bytes
  /// Set when the connection must end after the actions are done.
  public internal(set) var close: CloseReason?
  /// What else is to be done.
  public internal(set) var requests: Requests = []
  /// With ``Wait/identity``: the user that the client claims to be.
  public internal(set) var claimedUID: UInt32 = 0

  /// An empty output.
  public init() {}

  /// Forgets everything, for the next call.
  @inlinable
  public mutating func removeAll() {
    clear()
  }

  @usableFromInline
  mutating func clear() {
    actionCount = 0
    decisionCount = 0
    wait = .bytes
    if close != nil { close = nil }
    requests = []
  }

  /// The action at `index`, which is less than ``actionCount``.
  public mutating func action(_ index: Int) -> Action {
    precondition(index < actionCount, "no such action")
    return actions.span[index]
  }

  /// The decision at `index`, which is less than ``decisionCount``.
  public mutating func decision(_ index: Int) -> DecisionRecord {
    precondition(index < decisionCount, "no such decision")
    return decisions.span[index]
  }

  /// Whether one more message can be dealt with: its own action, and local output before it.
  var hasRoom: Bool { actionCount + 2 <= Self.actionsMax && decisionCount < Self.decisionsMax }

  @inline(__always)
  mutating func forward(_ offset: Int, _ count: Int, descriptors: Int) {
    let n = actionCount
    if n > 0 && descriptors == 0 {
      let last = actions.span[n &- 1]
      if last.kind == .forward && Int(last.offset) &+ Int(last.count) == offset {
        actions[n &- 1].count &+= UInt32(truncatingIfNeeded: count)
        return
      }
    }
    push(Action(kind: .forward, descriptors: UInt16(descriptors), offset: UInt32(offset), count: UInt32(count)))
  }

  /// Skipped bytes need no action unless descriptors came with them.
  @inline(__always)
  mutating func skip(_ offset: Int, _ count: Int, descriptors: Int) {
    if descriptors == 0 { return }
    push(Action(kind: .skip, descriptors: UInt16(descriptors), offset: UInt32(offset), count: UInt32(count)))
  }

  mutating func sendLocal(_ count: Int) {
    push(Action(kind: .local, descriptors: 0, offset: 0, count: UInt32(count)))
  }

  private mutating func push(_ action: Action) {
    precondition(actionCount < Self.actionsMax, "the session overfilled its output")
    actions[actionCount] = action
    actionCount &+= 1
  }

  mutating func record(_ verdict: Verdict, at offset: Int) {
    precondition(decisionCount < Self.decisionsMax, "the session overfilled its output")
    decisions[decisionCount] = DecisionRecord(offset: UInt32(offset), verdict: verdict)
    decisionCount &+= 1
  }
}
