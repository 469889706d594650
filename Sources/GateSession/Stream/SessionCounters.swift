// How many messages a session decided on, and how: what metrics are made of. Plain integers where the session stands anyway: counting
// a message is one addition, and nobody has to collect anything after each call. Who wants totals adds up the sessions.

/// What a session decided so far, in numbers. They only ever grow.
///
/// Source: contrib/OPERATORS.md, "Metrics".
public struct SessionCounters: Sendable {
  /// Message types that are told apart. 0 is every type that the specification does not know, the others are its numbers.
  ///
  /// Spec: "message-protocol-types".
  public static let typeCount = 5
  /// Reasons that fit: see ``Verdict/Reason``.
  static let reasonsMax = 64

  /// Messages that were allowed, by side and type; a session has these and the bytes from the start.
  private var allowedMessages = InlineArray<16, UInt64>(repeating: 0)
  /// By side: bytes of messages, and those among them that were skipped.
  private var bytes = InlineArray<2, UInt64>(repeating: 0)
  private var skippedBytes = InlineArray<2, UInt64>(repeating: 0)
  /// What most sessions never have, and no memory until they do: messages that were not simply allowed, by action, side and type
  /// (a place has two, one and three bits of each); behind them refusals by side and reason.
  private var others: [UInt64] = []
  private static let refusalsStart = 64

  /// Nothing yet.
  public init() {}

  // MARK: Counting

  /// A message that passes: as `verdict` says, allowed or only watched.
  @inline(__always)
  mutating func countPassed(from side: Side, _ verdict: Verdict, _ type: UInt8) {
    if verdict.action == .allow {
      allowedMessages[Self.place(side, type)] &+= 1
    } else {
      countOther(Self.place(side, verdict.action, type))
    }
  }

  /// So many messages of one type that are allowed.
  @inline(__always)
  mutating func countAllowed(_ count: UInt64, from side: Side, _ type: UInt8) {
    allowedMessages[Self.place(side, type)] &+= count
  }

  /// So many messages of one type that do not pass. What is kept since it was the gate's own to hear, or to answer, is under no verdict.
  mutating func countRefused(_ count: UInt64 = 1, from side: Side, _ verdict: Verdict, _ type: UInt8) {
    if verdict.reason.entry.refuses { countOther(Self.place(side, verdict.action, type), count) }
    countOther(Self.place(side, verdict.reason), count)
  }

  /// A message that does not pass after all, though it was counted as allowed.
  mutating func countRefusal(from side: Side, _ reason: Verdict.Reason) {
    countOther(Self.place(side, reason))
  }

  private mutating func countOther(_ place: Int, _ count: UInt64 = 1) {
    if others.isEmpty { others = Array(repeating: 0, count: Self.refusalsStart + 2 * Self.reasonsMax) }
    others[place] &+= count
  }

  /// Bytes of messages that came, whatever became of them.
  @inline(__always)
  mutating func countBytes(_ count: Int, from side: Side) {
    bytes[Int(side.rawValue)] &+= UInt64(truncatingIfNeeded: count)
  }

  /// So many of them were skipped.
  mutating func countSkippedBytes(_ count: Int, from side: Side) {
    skippedBytes[Int(side.rawValue)] &+= UInt64(truncatingIfNeeded: count)
  }

  /// Adds what another session did.
  public mutating func add(_ other: SessionCounters) {
    for i in 0..<allowedMessages.count { allowedMessages[i] &+= other.allowedMessages[i] }
    for i in 0..<bytes.count { bytes[i] &+= other.bytes[i] }
    for i in 0..<skippedBytes.count { skippedBytes[i] &+= other.skippedBytes[i] }
    if others.isEmpty {
      others = other.others
    } else {
      for i in other.others.indices { others[i] &+= other.others[i] }
    }
  }

  // MARK: Reading

  /// Messages of `type` (less than ``typeCount``) from `side` that `action` was decided on; without what was the gate's own to hear, or to answer.
  public func messages(from side: Side, _ action: Verdict.Action, type: Int) -> UInt64 {
    precondition(type < Self.typeCount, "no such type")
    if action == .allow { return allowedMessages[Self.place(side, UInt8(type))] }
    return other(Self.place(side, action, UInt8(type)))
  }

  /// Bytes of messages from `side` that were forwarded, or that were not. A message that is still coming counts as far as it has come.
  public func bytes(from side: Side, forwarded: Bool) -> UInt64 {
    let skipped = skippedBytes[Int(side.rawValue)]
    return forwarded ? bytes[Int(side.rawValue)] - skipped : skipped
  }

  /// Messages from `side` that did not pass for `reason`, those included that the kernel refused to carry after they were allowed.
  public func refusals(from side: Side, _ reason: Verdict.Reason) -> UInt64 {
    other(Self.place(side, reason))
  }

  /// Messages from `side` that are under no verdict: the gate's own to hear, or to answer.
  public func kept(from side: Side) -> UInt64 {
    Verdict.Reason.allCases.reduce(0) { $0 + ($1.refuses ? 0 : refusals(from: side, $1)) }
  }

  /// Messages that were forwarded: allowed, or only watched.
  public var allowed: UInt64 { total(.allow) + total(.audit) }

  /// Messages that were denied or dropped; not those that were the gate's own, or reached the client as a copy.
  public var denied: UInt64 { total(.deny) + total(.drop) }

  private func total(_ action: Verdict.Action) -> UInt64 {
    var sum: UInt64 = 0
    for side in [Side.client, .bus] {
      for type in 0..<Self.typeCount { sum &+= messages(from: side, action, type: type) }
    }
    return sum
  }

  private func other(_ place: Int) -> UInt64 { others.isEmpty ? 0 : others[place] }

  @inline(__always)
  private static func place(_ side: Side, _ type: UInt8) -> Int {
    Int(side.rawValue & 1) << 3 | Int(type < Self.typeCount ? type : 0)
  }

  private static func place(_ side: Side, _ action: Verdict.Action, _ type: UInt8) -> Int {
    Int(action.rawValue & 3) << 4 | place(side, type)
  }

  private static func place(_ side: Side, _ reason: Verdict.Reason) -> Int {
    refusalsStart + Int(side.rawValue & 1) * reasonsMax + Int(reason.rawValue)
  }
}
