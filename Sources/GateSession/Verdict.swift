// What was decided about one message, and why: small enough to be made for every message, complete enough to explain it.

/// The decision about one message.
///
/// Source: contrib/OPERATORS.md, "The log".
public struct Verdict: BitwiseCopyable, Equatable, Sendable {
  /// What happens to the message.
  public enum Action: UInt8, BitwiseCopyable, Sendable {
    /// It is forwarded, byte for byte.
    case allow
    /// It is forwarded, since the gate only watches; the rules would have denied it.
    case audit
    /// It is not forwarded; its sender is told if it asked for an answer.
    case deny
    /// It is not forwarded and nobody is told.
    case drop
  }

  /// Why, in one word. The raw text is what the decision log says.
  public enum Reason: String, CaseIterable, BitwiseCopyable, Sendable {
    /// A rule of the policy decided: ``Verdict/rule``.
    case rule
    /// No rule of the policy allows it.
    case noRule = "no-rule"
    /// A driver method or signal that every connection needs.
    case driver
    /// A driver method that only a rule naming it literally opens.
    case driverClosed = "driver-closed"
    /// The first answer to a call that was forwarded.
    case reply
    /// An answer nobody waits for.
    case strayReply = "stray-reply"
    /// A message type that the specification does not know.
    case unknownType = "unknown-type"
    /// The client wrote a CONTAINER_INSTANCE.
    case containerInstance = "container-instance"
    /// More descriptors than `fds-per-message-max`.
    case tooManyDescriptors = "fds-per-message-max"
    /// The receiver did not agree to take descriptors.
    case descriptorsNotNegotiated = "fds-not-negotiated"
    /// The kernel refused more descriptors in flight for the gate's user (ETOOMANYREFS).
    case descriptorsRefused = "fds-refused-by-kernel"
    /// A header longer than `header-bytes-max`.
    case headerTooLong = "header-bytes-max"
    /// A message larger than `message-bytes-max`.
    case messageTooLong = "message-bytes-max"
    /// A driver call too large to be looked into.
    case inspectTooLong = "inspect-bytes-max"
    /// More calls without an answer than `pending-replies-max`.
    case pendingReplies = "pending-replies-max"
    /// A call whose serial belongs to a call that is still without an answer.
    case serialInUse = "serial-in-use"
    /// A match rule with the key `eavesdrop`.
    case eavesdrop
    /// A match rule that cannot be parsed.
    case matchRuleInvalid = "match-rule-invalid"
    /// RemoveMatch of a rule that was not added.
    case matchRuleNotFound = "match-rule-not-found"
    /// More match rules than `matches-max`.
    case matches = "matches-max"
    /// More names than `names-max`.
    case names = "names-max"
    /// A driver call whose arguments are not what the method takes.
    case driverArguments = "driver-arguments"
    /// StartServiceByName of a service that no rule opens.
    case serviceUnknown = "service-unknown"
    /// Addressed to somebody else than the client.
    case notAddressed = "not-addressed"
    /// The connection was made a monitor by a rule.
    case monitor
    /// The answer to a Hello that the gate said itself.
    case ownHello = "own-hello"
    /// To a name that is not visible, as if it were no service's.
    case hidden
    /// To a name, or about one, that is not visible, as if nobody owned it.
    case hiddenOwner = "hidden-owner"
    /// The answer to a call that the gate made itself, to follow who owns which name.
    case ownCall = "own-call"
    /// AddMatch or RemoveMatch of a rule that the gate has itself: it answered.
    case ownMatch = "own-match"
    /// A list of names, from which the gate left out those that are not visible: the client gets a copy.
    case filtered
    /// A NameOwnerChanged about a name that is not visible, or that only the gate has asked for.
    case unsubscribed
    /// To somebody who may own a denied name, since there were more owners than `owners-max`.
    case owners = "owners-max"
    /// To somebody who may own a denied name, since the gate's observer has no connection to the bus.
    case ownersUnknown = "owners-unknown"
    /// What the personality `xdg-dbus-proxy` does not filter.
    case unfilteredPeer = "unfiltered-peer"
    /// The gate does not filter.
    case unfiltered
    /// More calls without an answer, of all connections of the gate, than `pending-replies-total`.
    case pendingRepliesTotal = "pending-replies-total"
    /// More incoming calls without an answer than `pending-incoming-max`, or than the caller's share of them.
    case pendingIncoming = "pending-incoming-max"
    /// More incoming calls of one caller without an answer than `pending-incoming-per-caller-max`.
    case pendingIncomingPerCaller = "pending-incoming-per-caller-max"
    /// Said before Hello, without which there is no connection to the bus.
    case beforeHello = "before-hello"
    /// More match rules of all clients of the gate than `matches-total`.
    case matchesTotal = "matches-total"
    /// More names of all clients of the gate than `names-total`.
    case namesTotal = "names-total"
  }

  /// What happens to the message.
  public var action: Action
  /// Whether the message is forwarded.
  @inlinable @inline(__always)
  public var passes: Bool { action == .allow || action == .audit }
  /// Why.
  public var reason: Reason
  /// Index of the deciding rule in the policy, −1 if no rule decided.
  public var rule: Int32
  /// What the deciding rule wants of the decision log; nil: what the gate wants.
  public var log: Bool?

  @usableFromInline
  init(_ action: Action, _ reason: Reason, rule: Int32 = -1, log: Bool? = nil) {
    self.action = action
    self.reason = reason
    self.rule = rule
    self.log = log
  }
}

/// A verdict that the decision log wants to have, with the place of its message.
///
/// Source: ours.
public struct DecisionRecord: BitwiseCopyable, Sendable {
  /// Offset of the message's first byte in the bytes that were given to ``Session/receive(_:from:descriptors:policy:at:into:)``.
  public var offset: UInt32
  /// What was decided.
  public var verdict: Verdict
}
