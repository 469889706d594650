// AddMatch and RemoveMatch. What the client says is forwarded and counted, but for the rules that the gate has at the bus itself: an
// AddMatch of such a rule is answered here, since the bus would not keep the two apart.
//
// Whatever the client sends, and whatever the bus refuses of it, the gate's own rule stays: a RemoveMatch of such a rule goes to the bus
// only if the bus has one from the client; and if that is not certain, because an AddMatch that asked for no answer, or has none yet, may
// have been refused, then the gate adds its rule once more before.

import DBusWire
import GatePolicy

extension Session {
  /// Decides on an AddMatch or a RemoveMatch of the rule `text`.
  mutating func judgeMatchRule(
    _ method: DriverMethod, _ verdict: Verdict, _ text: RawSpan, _ header: MessageHeader
  ) -> Verdict {
    let rule: MatchRule
    do throws(MatchRuleError) { rule = try MatchRule(parsing: text) } catch { return Verdict(.deny, .matchRuleInvalid) }
    if rule.hasEavesdrop { return Verdict(.deny, .eavesdrop) }
    let hash = settings.seed.hash(unsafe rule.canonicalText.span.bytes)
    return method.inspection == .addMatch ? addMatch(rule, hash, text, verdict, header) : removeMatch(hash, verdict, header)
  }

  private mutating func addMatch(
    _ rule: MatchRule, _ hash: UInt64, _ text: RawSpan, _ verdict: Verdict, _ header: MessageHeader
  ) -> Verdict {
    if matches.count >= settings.limits.matchesMax { return Verdict(.deny, .matches) }
    if !matches.hasRoom { return Verdict(.deny, .matchesTotal) }
    let wantsAnswer = hasCertainAnswer(header)
    let isOwn = names?.ownMatches[hash] != nil
    var decision = Verdict(.drop, .ownMatch)
    if isOwn {
      answerDone(header)
    } else {
      decision = allowDriverCall(header, wantsAnswer ? .addMatch : .call, detail: matches.number(of: hash), verdict)
      if !decision.passes { return decision }
    }
    let isNew = matches.add(hash, text: rule.mayAskForOwnerChange ? unsafe text.withUnsafeBytes { unsafe Array($0) } : nil) {
      if isOwn {
        $0.answered += 1
      } else if wantsAnswer {
        $0.awaited += 1
        $0.unanswered += 1
      } else {
        $0.silent += 1
      }
    }
    if isNew && rule.mayAskForOwnerChange { names?.hear(rule, hash) }
    return decision
  }

  private mutating func removeMatch(_ hash: UInt64, _ verdict: Verdict, _ header: MessageHeader) -> Verdict {
    let place = matches.place(of: hash)
    if let names, let own = names.ownMatches[hash] {
      guard let place else { return Verdict(.deny, .matchRuleNotFound) }
      let entry = matches.entries[place]
      if entry.forwarded == 0 {
        forget(matches.removeAnswered(at: place))
        if entry.answered == 1 && !own.isWanted { giveUp(hash, own, names) }
        answerDone(header)
        return Verdict(.drop, .ownMatch)
      }
      let allowed = allowDriverCall(header, .call, detail: 0, verdict)
      if !allowed.passes { return allowed }
      if !entry.isCertain {
        names.ownMatches[hash]?.count += 1
        makeOwnCall("AddMatch", unsafe own.text.span.bytes, .ownAddMatch, detail: 0, names)
      }
      forget(matches.removeForwarded(at: place))
      return allowed
    }
    let allowed = allowDriverCall(header, .call, detail: 0, verdict)
    if allowed.passes, let place { forget(matches.removeForwarded(at: place)) }
    return allowed
  }

  /// The client has removed a rule as often as it had added it, or the bus has refused it.
  mutating func forget(_ hash: UInt64?) {
    if let hash { names?.unhear(hash) }
  }

  /// The gate had kept a rule at the bus for the client's sake.
  private mutating func giveUp(_ hash: UInt64, _ own: NameWatch.OwnMatch, _ names: NameWatch) {
    names.ownMatches[hash] = nil
    makeOwnRemoval(of: own.text, times: own.count)
  }

  /// Says in the bus's place that it is done.
  private mutating func answerDone(_ header: MessageHeader) {
    if header.frame.flags.contains(.noReplyExpected) { return }
    let envelope = LocalReply.Envelope(
      byteOrder: header.frame.byteOrder, serial: takeOwnSerial(), replySerial: header.frame.serial, fromDriver: true)
    let name = uniqueName
    LocalReply.appendEmpty(envelope, to: &ownToClient, destination: unsafe name.span.bytes)
  }
}
