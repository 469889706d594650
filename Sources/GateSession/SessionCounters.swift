// How many messages a session decided on, and how: what metrics are made of. Plain integers where the session stands anyway: counting
// a message is one addition, and nobody has to collect anything after each call. Who wants totals adds up the sessions.

/// What a session decided so far, in numbers. They only ever grow.
public struct SessionCounters: Sendable {
  /// Message types that are told apart. 0 is every type that the specification does not know, the others are its numbers.
  ///
  /// Spec: "message-protocol-types".
  public static let typeCount = 5
  /// Reasons that fit: see ``Verdict/Reason/number``.
  static let reasonsMax = 32

  /// By action, side and type: a place has two, one and three bits of each.
  private var messages = InlineArray<64, UInt64>(repeating: 0)
  /// By side: bytes of messages, and those among them that were skipped.
  private var bytes = InlineArray<2, UInt64>(repeating: 0)
  private var skippedBytes = InlineArray<2, UInt64>(repeating: 0)
  /// By side and reason.
  private var refusals = InlineArray<64, UInt64>(repeating: 0)

  /// Nothing yet.
  public init() {}

  // MARK: Counting

  @inline(__always)
  mutating func countAllowed(from side: Side, _ type: UInt8) { messages[Self.place(side, .allow, type)] &+= 1 }

  mutating func countRefused(from side: Side, _ verdict: Verdict, _ type: UInt8) {
    messages[Self.place(side, verdict.action, type)] &+= 1
    countRefusal(from: side, verdict.reason)
  }

  /// A message that does not pass after all, though it was counted as allowed.
  mutating func countRefusal(from side: Side, _ reason: Verdict.Reason) {
    refusals[Int(side.rawValue) * Self.reasonsMax + reason.number] &+= 1
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
    for i in 0..<messages.count { messages[i] &+= other.messages[i] }
    for i in 0..<bytes.count { bytes[i] &+= other.bytes[i] }
    for i in 0..<skippedBytes.count { skippedBytes[i] &+= other.skippedBytes[i] }
    for i in 0..<refusals.count { refusals[i] &+= other.refusals[i] }
  }

  // MARK: Reading

  /// Messages of `type` (less than ``typeCount``) from `side` that `action` was decided on.
  public func messages(from side: Side, _ action: Verdict.Action, type: Int) -> UInt64 {
    precondition(type < Self.typeCount, "no such type")
    return messages[Self.place(side, action, UInt8(type))]
  }

  /// Bytes of messages from `side` that were forwarded, or that were not. A message that is still coming counts as far as it has come.
  public func bytes(from side: Side, forwarded: Bool) -> UInt64 {
    let skipped = skippedBytes[Int(side.rawValue)]
    return forwarded ? bytes[Int(side.rawValue)] - skipped : skipped
  }

  /// Messages from `side` that did not pass for `reason`, those included that the kernel refused to carry after they were allowed.
  public func refusals(from side: Side, _ reason: Verdict.Reason) -> UInt64 {
    refusals[Int(side.rawValue) * Self.reasonsMax + reason.number]
  }

  /// Messages that were allowed.
  public var allowed: UInt64 { total(.allow) }

  /// Messages that were denied or dropped.
  public var denied: UInt64 { total(.deny) + total(.drop) }

  private func total(_ action: Verdict.Action) -> UInt64 {
    var sum: UInt64 = 0
    for side in [Side.client, .bus] {
      for type in 0..<Self.typeCount { sum &+= messages(from: side, action, type: type) }
    }
    return sum
  }

  @inline(__always)
  private static func place(_ side: Side, _ action: Verdict.Action, _ type: UInt8) -> Int {
    Int(action.rawValue & 3) << 4 | Int(side.rawValue & 1) << 3 | Int(type < Self.typeCount ? type : 0)
  }
}

extension Verdict.Reason {
  /// A number below ``SessionCounters/reasonsMax``: the place among all cases.
  var number: Int {
    switch self {
    case .rule: 0
    case .noRule: 1
    case .driver: 2
    case .driverClosed: 3
    case .reply: 4
    case .strayReply: 5
    case .unknownType: 6
    case .containerInstance: 7
    case .tooManyDescriptors: 8
    case .descriptorsNotNegotiated: 9
    case .descriptorsRefused: 10
    case .headerTooLong: 11
    case .messageTooLong: 12
    case .inspectTooLong: 13
    case .pendingReplies: 14
    case .serialInUse: 15
    case .eavesdrop: 16
    case .matchRuleInvalid: 17
    case .matchRuleNotFound: 18
    case .matches: 19
    case .names: 20
    case .driverArguments: 21
    case .serviceUnknown: 22
    case .notAddressed: 23
    case .monitor: 24
    case .ownHello: 25
    }
  }

  /// Whether a message can be refused for this reason. (The answer to the gate's own Hello stays here because it was meant for the gate.)
  public var refuses: Bool {
    switch self {
    case .driver, .reply, .monitor, .ownHello: false
    case .rule, .noRule, .driverClosed, .strayReply, .unknownType, .containerInstance, .tooManyDescriptors,
      .descriptorsNotNegotiated,
      .descriptorsRefused, .headerTooLong, .messageTooLong, .inspectTooLong, .pendingReplies, .serialInUse, .eavesdrop,
      .matchRuleInvalid, .matchRuleNotFound, .matches, .names, .driverArguments, .serviceUnknown, .notAddressed:
      true
    }
  }
}
