// What the words mean that the decision log and metrics give as the reason of a decision: for people.

import GateSession

extension Verdict.Reason {
  /// In a few words, for the operators' table.
  public var meaning: String {
    switch self {
    case .rule: "a rule decided, the key rule says which"
    case .noRule: "no rule allows it"
    case .driver: "what every connection needs of the bus itself"
    case .driverClosed: "what only a rule opens that names interface and member of the bus literally"
    case .reply: "the first answer to a call that was forwarded"
    case .strayReply: "an answer that nobody waits for"
    case .unknownType: "of a type that the specification does not know"
    case .containerInstance: "the client wrote a CONTAINER_INSTANCE"
    case .tooManyDescriptors: "more descriptors than the limit"
    case .descriptorsNotNegotiated: "it has descriptors, and its receiver has not agreed to any"
    case .descriptorsRefused: "the kernel lets no more descriptors of the gate's user be under way"
    case .headerTooLong: "a longer header than the limit"
    case .messageTooLong: "a larger message than the limit"
    case .inspectTooLong: "a call of the bus itself that is too large to be looked into"
    case .pendingReplies: "more calls without an answer than the limit"
    case .pendingRepliesTotal: "more calls without an answer, of all the gate's connections, than the limit"
    case .pendingIncoming: "more incoming calls without an answer than the limit, or than its caller's share of them"
    case .pendingIncomingPerCaller: "more incoming calls of one caller without an answer than the limit"
    case .serialInUse: "its serial is that of a call that is still without an answer"
    case .eavesdrop: "a match rule with the key eavesdrop, which asks for messages of others"
    case .matchRuleInvalid: "a match rule that cannot be parsed"
    case .matchRuleNotFound: "a match rule to be removed that was not added"
    case .matches: "more match rules than the limit"
    case .names: "more names than the limit"
    case .driverArguments: "a call of the bus itself whose arguments are not what it takes"
    case .serviceUnknown: "a service to be started that no rule opens"
    case .notAddressed: "for somebody else than the client"
    case .monitor: "a rule made the connection a monitor, which receives everything"
    case .ownHello: "the answer to the Hello that the gate said itself"
    case .hidden: "to a name that is not visible, answered as if no service had it"
    case .hiddenOwner: "to or about a name that is not visible, answered as if nobody owned it"
    case .ownCall:
      "the answer to a call that the gate made itself: to follow names, to learn whether a caller is still there, or to release a name"
    case .ownMatch: "a match rule that the gate has itself, added or removed for the client without the bus"
    case .filtered: "a list of names, of which the client got those that are visible"
    case .unsubscribed: "a change of an owner that is not visible, or that only the gate asked for"
    case .ownersUnknown: "to somebody who may own a denied name: the gate's observer has no connection to the bus"
    case .owners: "to somebody who may own a denied name: more owners than the limit"
    case .unfilteredPeer: "what the personality xdg-dbus-proxy does not filter"
    case .unfiltered: "the gate does not filter"
    case .matchesTotal: "more match rules of all clients of the gate than the limit"
    case .namesTotal: "more names of all clients of the gate than the limit"
    case .beforeHello: "said before Hello, without which there is no connection to the bus"
    }
  }
}
