// Why a message was decided on as it was, as a table: what the log and metrics call it, what it means, what who asks is told, what the denied
// sender is told. A new reason is a case here and a row below; nothing else has a list of them.

extension Verdict {
  /// Why. What is to be said of each stands in ``entry``.
  public enum Reason: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    /// A rule of the policy decided: ``Verdict/rule``.
    case rule
    /// No rule of the policy allows it.
    case noRule
    /// A driver method or signal that every connection needs.
    case driver
    /// A driver method that only a rule naming it literally opens.
    case driverClosed
    /// The first answer to a call that was forwarded.
    case reply
    /// An answer nobody waits for.
    case strayReply
    /// A message type that the specification does not know.
    case unknownType
    /// The client wrote a CONTAINER_INSTANCE.
    case containerInstance
    /// More descriptors than `fds-per-message-max`.
    case tooManyDescriptors
    /// The receiver did not agree to take descriptors.
    case descriptorsNotNegotiated
    /// The kernel refused more descriptors in flight for the gate's user (ETOOMANYREFS).
    case descriptorsRefused
    /// A header longer than `header-bytes-max`.
    case headerTooLong
    /// A message larger than `message-bytes-max`.
    case messageTooLong
    /// A driver call too large to be looked into.
    case inspectTooLong
    /// More calls without an answer than `pending-replies-max`.
    case pendingReplies
    /// A call whose serial belongs to a call that is still without an answer.
    case serialInUse
    /// A match rule with the key `eavesdrop`.
    case eavesdrop
    /// A match rule that cannot be parsed.
    case matchRuleInvalid
    /// RemoveMatch of a rule that was not added.
    case matchRuleNotFound
    /// More match rules than `matches-max`.
    case matches
    /// More names than `names-max`.
    case names
    /// A driver call whose arguments are not what the method takes.
    case driverArguments
    /// StartServiceByName of a service that no rule opens.
    case serviceUnknown
    /// Addressed to somebody else than the client.
    case notAddressed
    /// The connection was made a monitor by a rule.
    case monitor
    /// The answer to a Hello that the gate said itself.
    case ownHello
    /// To a name that is not visible, as if it were no service's.
    case hidden
    /// To a name, or about one, that is not visible, as if nobody owned it.
    case hiddenOwner
    /// The answer to a call that the gate made itself, to follow who owns which name.
    case ownCall
    /// AddMatch or RemoveMatch of a rule that the gate has itself: it answered.
    case ownMatch
    /// A list of names, from which the gate left out those that are not visible: the client gets a copy.
    case filtered
    /// A NameOwnerChanged about a name that is not visible, or that only the gate has asked for.
    case unsubscribed
    /// To somebody who may own a denied name, since there were more owners than `owners-max`.
    case owners
    /// To somebody who may own a denied name, since the gate's observer has no connection to the bus.
    case ownersUnknown
    /// What the personality `xdg-dbus-proxy` does not filter.
    case unfilteredPeer
    /// The gate does not filter.
    case unfiltered
    /// More calls without an answer, of all connections of the gate, than `pending-replies-total`.
    case pendingRepliesTotal
    /// More incoming calls without an answer than `pending-incoming-max`, or than the caller's share of them.
    case pendingIncoming
    /// More incoming calls of one caller without an answer than `pending-incoming-per-caller-max`.
    case pendingIncomingPerCaller
    /// Said before Hello, without which there is no connection to the bus.
    case beforeHello
    /// More match rules of all clients of the gate than `matches-total`.
    case matchesTotal
    /// More names of all clients of the gate than `names-total`.
    case namesTotal
  }
}

extension Verdict.Reason {
  /// The table.
  @inline(__always)
  public var entry: Entry {
    switch self {
    case .rule:
      Entry(
        "rule", meaning: "a rule decided, the key rule says which",
        sentence: "a deny rule stops it, whatever any other rule allows")
    case .noRule:
      Entry(
        "no-rule", meaning: "no rule allows it", sentence: "no rule allows it", isForWantOfRule: true)
    case .driver:
      Entry(
        "driver", meaning: "what every connection needs of the bus itself",
        sentence: "every connection needs it, so it passes without a rule", refuses: false)
    case .driverClosed:
      Entry(
        "driver-closed", meaning: "what only a rule opens that names interface and member of the bus literally",
        sentence: "only a rule that names interface and method without a wildcard opens this method of the bus",
        isForWantOfRule: true)
    case .reply:
      Entry(
        "reply", meaning: "the first answer to a call that was forwarded",
        sentence: "it is the answer to a call that was forwarded", refuses: false)
    case .strayReply:
      Entry(
        "stray-reply", meaning: "an answer that nobody waits for",
        sentence: "answers need no rule: each passes once, to a call that was forwarded; without one it is dropped")
    case .unknownType:
      Entry(
        "unknown-type", meaning: "of a type that the specification does not know",
        sentence: "no rule speaks about messages of this type")
    case .containerInstance:
      Entry(
        "container-instance", meaning: "the client wrote a CONTAINER_INSTANCE",
        sentence: "a client may not write CONTAINER_INSTANCE")
    case .tooManyDescriptors:
      Entry(
        "fds-per-message-max", meaning: "more descriptors than the limit",
        sentence: "it carries more descriptors than fds-per-message-max", error: .limitsExceeded,
        told: " has more file descriptors than fds-per-message-max allows", namesPolicy: false, limit: "fds-per-message-max")
    case .descriptorsNotNegotiated:
      Entry(
        "fds-not-negotiated", meaning: "it has descriptors, and its receiver has not agreed to any",
        sentence: "its receiver did not agree to take descriptors", error: .notSupported,
        told: " has file descriptors, which the receiver does not take", namesPolicy: false)
    case .descriptorsRefused:
      Entry(
        "fds-refused-by-kernel", meaning: "the kernel lets no more descriptors of the gate's user be under way",
        sentence: "the kernel refused its descriptors", error: .limitsExceeded,
        told: " has file descriptors, of which the kernel lets no more be under way", namesPolicy: false)
    case .headerTooLong:
      Entry(
        "header-bytes-max", meaning: "a longer header than the limit", sentence: "its header is longer than header-bytes-max",
        error: .limitsExceeded, told: " has a header longer than header-bytes-max", namesPolicy: false, limit: "header-bytes-max")
    case .messageTooLong:
      Entry(
        "message-bytes-max", meaning: "a larger message than the limit", sentence: "it is longer than message-bytes-max",
        error: .limitsExceeded, told: " is larger than message-bytes-max", namesPolicy: false, limit: "message-bytes-max")
    case .inspectTooLong:
      Entry(
        "inspect-bytes-max", meaning: "a call of the bus itself that is too large to be looked into",
        sentence: "it is longer than inspect-bytes-max", error: .limitsExceeded, told: " is larger than inspect-bytes-max",
        namesPolicy: false, limit: "inspect-bytes-max")
    case .pendingReplies:
      Entry(
        "pending-replies-max", meaning: "more calls without an answer than the limit",
        sentence: "more calls are without an answer than pending-replies-max", error: .limitsExceeded,
        told: " is one call more than pending-replies-max lets wait for their answers", namesPolicy: false,
        limit: "pending-replies-max")
    case .serialInUse:
      Entry(
        "serial-in-use", meaning: "its serial is that of a call that is still without an answer",
        sentence: "its serial belongs to a call that is without an answer", error: .invalidArgs,
        told: " has the serial of a call that still waits for its answer", namesPolicy: false)
    case .eavesdrop:
      Entry(
        "eavesdrop", meaning: "a match rule with the key eavesdrop, which asks for messages of others",
        sentence: "a match rule may not have the key eavesdrop", told: " has the key eavesdrop, which is never allowed",
        namesPolicy: false)
    case .matchRuleInvalid:
      Entry(
        "match-rule-invalid", meaning: "a match rule that cannot be parsed", sentence: "its match rule cannot be parsed",
        error: .matchRuleInvalid, told: " has a match rule that cannot be parsed", namesPolicy: false)
    case .matchRuleNotFound:
      Entry(
        "match-rule-not-found", meaning: "a match rule to be removed that was not added",
        sentence: "the match rule was not added", error: .matchRuleNotFound, told: " has a match rule that was not added",
        namesPolicy: false)
    case .matches:
      Entry(
        "matches-max", meaning: "more match rules than the limit", sentence: "more match rules than matches-max",
        error: .limitsExceeded, told: " is one match rule more than matches-max", namesPolicy: false, limit: "matches-max")
    case .names:
      Entry(
        "names-max", meaning: "more names than the limit", sentence: "more names than names-max", error: .limitsExceeded,
        told: " is one name more than names-max", namesPolicy: false, limit: "names-max")
    case .driverArguments:
      Entry(
        "driver-arguments", meaning: "a call of the bus itself whose arguments are not what it takes",
        sentence: "its arguments are not what the method takes", error: .invalidArgs,
        told: " has other arguments than that method takes", namesPolicy: false)
    case .serviceUnknown:
      Entry(
        "service-unknown", meaning: "a service to be started that no rule opens",
        sentence: "no rule allows it; a call that a rule allows starts its service by itself", error: .serviceUnknown,
        told: " would start a service that is not opened", isLogged: false, isForWantOfRule: true)
    case .notAddressed:
      Entry(
        "not-addressed", meaning: "for somebody else than the client", sentence: "it is for somebody else than the client")
    case .monitor:
      Entry(
        "monitor", meaning: "a rule made the connection a monitor, which receives everything",
        sentence: "the connection is a monitor", refuses: false)
    case .ownHello:
      Entry(
        "own-hello", meaning: "the answer to the Hello that the gate said itself", sentence: "the gate said Hello itself",
        refuses: false, isLogged: false)
    case .hidden:
      Entry(
        "hidden", meaning: "to a name that is not visible, answered as if no service had it",
        sentence: "the name is not visible: \"names\" and the rules do not mention it, so it is as if it did not exist",
        error: .serviceUnknown, told: " is to or about a name that is not made visible", isForWantOfRule: true)
    case .hiddenOwner:
      Entry(
        "hidden-owner", meaning: "to or about a name that is not visible, answered as if nobody owned it",
        sentence: "the name is not visible: \"names\" and the rules do not mention it, so it is as if it did not exist",
        error: .nameHasNoOwner, told: " is to or about a name that is not made visible", isForWantOfRule: true)
    case .ownCall:
      Entry(
        "own-call",
        meaning:
          "the answer to a call that the gate made itself: to follow names, to learn whether a caller is still there, or to release a name",
        sentence: "it answers a call of the gate's own", refuses: false, isLogged: false)
    case .ownMatch:
      Entry(
        "own-match", meaning: "a match rule that the gate has itself, added or removed for the client without the bus",
        sentence: "it is about a match rule that the gate has itself", refuses: false, isLogged: false)
    case .filtered:
      Entry(
        "filtered", meaning: "a list of names, of which the client got those that are visible",
        sentence: "the gate leaves names out of it that are not visible", refuses: false, isLogged: false)
    case .unsubscribed:
      Entry(
        "unsubscribed", meaning: "a change of an owner that is not visible, or that only the gate asked for",
        sentence: "it is about a name that is not visible, or that only the gate asked for", refuses: false, isLogged: false)
    case .owners:
      Entry(
        "owners-max", meaning: "to somebody who may own a denied name: more owners than the limit",
        sentence: "its receiver may own a name that a deny rule names, since there are more owners than owners-max",
        error: .limitsExceeded, told: " is to somebody who may own a denied name: there are more owners than owners-max",
        namesPolicy: false, limit: "owners-max")
    case .ownersUnknown:
      Entry(
        "owners-unknown", meaning: "to somebody who may own a denied name: the gate's observer has no connection to the bus",
        sentence: "its receiver may own a name that a deny rule names, and the bus does not tell who owns it",
        told: " is to somebody who may own a denied name: the bus has not told the gate who owns it", namesPolicy: false)
    case .unfilteredPeer:
      Entry(
        "unfiltered-peer", meaning: "what the personality xdg-dbus-proxy does not filter",
        sentence: "the gate does not filter it", refuses: false)
    case .unfiltered:
      Entry(
        "unfiltered", meaning: "the gate does not filter", sentence: "the gate does not filter it", refuses: false)
    case .pendingRepliesTotal:
      Entry(
        "pending-replies-total", meaning: "more calls without an answer, of all the gate's connections, than the limit",
        sentence: "more calls of the gate's connections are without an answer than pending-replies-total", error: .limitsExceeded,
        told: " is one call more than pending-replies-total lets wait for their answers", namesPolicy: false,
        limit: "pending-replies-total")
    case .pendingIncoming:
      Entry(
        "pending-incoming-max",
        meaning: "more incoming calls without an answer than the limit, or than its caller's share of them",
        sentence: "more incoming calls are without an answer than pending-incoming-max", error: .limitsExceeded,
        told: " is one call more than pending-incoming-max lets wait for their answers", namesPolicy: false,
        limit: "pending-incoming-max")
    case .pendingIncomingPerCaller:
      Entry(
        "pending-incoming-per-caller-max", meaning: "more incoming calls of one caller without an answer than the limit",
        sentence: "more calls of its caller are without an answer than pending-incoming-per-caller-max", error: .limitsExceeded,
        told: " is one call more of its caller than pending-incoming-per-caller-max lets wait for their answers",
        namesPolicy: false, limit: "pending-incoming-per-caller-max")
    case .beforeHello:
      Entry(
        "before-hello", meaning: "said before Hello, without which there is no connection to the bus",
        sentence: "the client has not said Hello", told: " comes before Hello, without which there is no connection to the bus",
        namesPolicy: false)
    case .matchesTotal:
      Entry(
        "matches-total", meaning: "more match rules of all clients of the gate than the limit",
        sentence: "more match rules of all clients of the gate than matches-total", error: .limitsExceeded,
        told: " is one match rule more than matches-total lets all clients of the gate have", namesPolicy: false,
        limit: "matches-total")
    case .namesTotal:
      Entry(
        "names-total", meaning: "more names of all clients of the gate than the limit",
        sentence: "more names of all clients of the gate than names-total", error: .limitsExceeded,
        told: " is one name more than names-total lets all clients of the gate have", namesPolicy: false, limit: "names-total")
    }
  }
}
