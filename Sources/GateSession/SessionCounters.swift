// How many messages a session decided on, and how: what metrics are made of. Plain integers where the session stands anyway: counting
// a message is two additions, and nobody has to collect anything after each call. Who wants totals adds up the sessions.

/// What a session decided so far, in numbers. They only ever grow.
public struct SessionCounters: Sendable {
  /// Message types that are told apart. 0 is every type that the specification does not know, the others are its numbers.
  ///
  /// Spec: "message-protocol-types".
  public static let typeCount = 5
  /// Reasons that fit: see ``Verdict/Reason/number``.
  static let reasonsMax = 32

  /// By side, action and type.
  private var messages = InlineArray<30, UInt64>(repeating: 0)
  /// By side, and whether they were forwarded.
  private var bytes = InlineArray<4, UInt64>(repeating: 0)
  /// By side and reason.
  private var refusals = InlineArray<64, UInt64>(repeating: 0)

  /// Nothing yet.
  public init() {}

  // MARK: Counting

  @inline(__always)
  mutating func count(from side: Side, _ action: Verdict.Action, _ type: UInt8) {
    messages[Self.place(side, action, type < Self.typeCount ? Int(type) : 0)] &+= 1
  }

  @inline(__always)
  mutating func countBytes(_ count: Int, from side: Side, forwarded: Bool) {
    bytes[Int(side.rawValue) &* 2 &+ (forwarded ? 1 : 0)] &+= UInt64(truncatingIfNeeded: count)
  }

  mutating func countRefusal(from side: Side, _ reason: Verdict.Reason) {
    refusals[Int(side.rawValue) * Self.reasonsMax + reason.number] &+= 1
  }

  /// Adds what another session did.
  public mutating func add(_ other: SessionCounters) {
    for i in 0..<messages.count { messages[i] &+= other.messages[i] }
    for i in 0..<bytes.count { bytes[i] &+= other.bytes[i] }
    for i in 0..<refusals.count { refusals[i] &+= other.refusals[i] }
  }

  // MARK: Reading

  /// Messages of `type` (less than ``typeCount``) from `side` that `action` was decided on.
  public func messages(from side: Side, _ action: Verdict.Action, type: Int) -> UInt64 {
    precondition(type < Self.typeCount, "no such type")
    return messages[Self.place(side, action, type)]
  }

  /// Bytes of messages from `side` that were forwarded, or that were not. A message that is still coming counts as far as it has come.
  public func bytes(from side: Side, forwarded: Bool) -> UInt64 { bytes[Int(side.rawValue) * 2 + (forwarded ? 1 : 0)] }

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
  private static func place(_ side: Side, _ action: Verdict.Action, _ type: Int) -> Int {
    (Int(side.rawValue) &* 3 &+ Int(action.rawValue)) &* typeCount &+ type
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

  /// Whether a message can fail to pass for this reason.
  public var refuses: Bool {
    switch self {
    case .driver, .reply, .monitor: false
    case .rule, .noRule, .driverClosed, .strayReply, .unknownType, .containerInstance, .tooManyDescriptors,
      .descriptorsNotNegotiated,
      .descriptorsRefused, .headerTooLong, .messageTooLong, .inspectTooLong, .pendingReplies, .serialInUse, .eavesdrop,
      .matchRuleInvalid, .matchRuleNotFound, .matches, .names, .driverArguments, .serviceUnknown, .notAddressed, .ownHello:
      true
    }
  }
}
