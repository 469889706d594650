// The reason of a verdict, as a sentence for people.

import GatePolicy
import GateSession

extension Explanation {
  /// Why, in a sentence that names no rule.
  public var sentence: String {
    switch verdict.reason {
    case .rule: verdict.passes ? "a rule allows it" : "a deny rule stops it, whatever any other rule allows"
    case .noRule: "no rule allows it"
    case .driver: "every connection needs it, so it passes without a rule"
    case .driverClosed: "only a rule that names interface and method without a wildcard opens this method of the bus"
    case .reply: "it is the answer to a call that was forwarded"
    case .strayReply: "answers need no rule: each passes once, to a call that was forwarded; without one it is dropped"
    case .unknownType: "no rule speaks about messages of this type"
    case .containerInstance: "a client may not write CONTAINER_INSTANCE"
    case .tooManyDescriptors: "it carries more descriptors than fds-per-message-max"
    case .descriptorsNotNegotiated: "its receiver did not agree to take descriptors"
    case .descriptorsRefused: "the kernel refused its descriptors"
    case .headerTooLong: "its header is longer than header-bytes-max"
    case .messageTooLong: "it is longer than message-bytes-max"
    case .inspectTooLong: "it is longer than inspect-bytes-max"
    case .pendingReplies: "more calls are without an answer than pending-replies-max"
    case .pendingRepliesTotal: "more calls of the gate's connections are without an answer than pending-replies-total"
    case .pendingIncoming: "more incoming calls are without an answer than pending-incoming-max"
    case .pendingIncomingPerCaller: "more calls of its caller are without an answer than pending-incoming-per-caller-max"
    case .serialInUse: "its serial belongs to a call that is without an answer"
    case .eavesdrop: "a match rule may not have the key eavesdrop"
    case .matchRuleInvalid: "its match rule cannot be parsed"
    case .matchRuleNotFound: "the match rule was not added"
    case .matches: "more match rules than matches-max"
    case .names: "more names than names-max"
    case .driverArguments: "its arguments are not what the method takes"
    case .serviceUnknown: "no rule allows it; a call that a rule allows starts its service by itself"
    case .notAddressed: "it is for somebody else than the client"
    case .monitor: "the connection is a monitor"
    case .ownHello: "the gate said Hello itself"
    case .hidden, .hiddenOwner:
      "the name is not visible: \"names\" and the rules do not mention it, so it is as if it did not exist"
    case .ownCall: "it answers a call of the gate's own"
    case .ownMatch: "it is about a match rule that the gate has itself"
    case .filtered: "the gate leaves names out of it that are not visible"
    case .unsubscribed: "it is about a name that is not visible, or that only the gate asked for"
    case .ownersUnknown: "its receiver may own a name that a deny rule names, and the bus does not tell who owns it"
    case .owners: "its receiver may own a name that a deny rule names, since there are more owners than owners-max"
    case .unfilteredPeer, .unfiltered: "the gate does not filter it"
    case .matchesTotal: "more match rules of all clients of the gate than matches-total"
    case .namesTotal: "more names of all clients of the gate than names-total"
    case .beforeHello: "the client has not said Hello"
    }
  }

  /// For a denial with a near miss: `all but object-path matches the rule at FILE:LINE`.
  public var nearestSentence: String? {
    guard let nearest else { return nil }
    let place = "\(nearest.location.file):\(nearest.location.line)"
    if misses.map(\.key) == ["literal"] { return "the rule at \(place) matches, but with a wildcard" }
    return "all but \(misses.map(\.key).joined(separator: ", ")) matches the rule at \(place)"
  }
}
