// AddMatch and RemoveMatch. What the client says is forwarded and counted, but for the rules that the gate has at the bus itself: an
// AddMatch of such a rule is answered here, since the bus would not keep the two apart.
//
// Whatever the client sends, and whatever the bus refuses of it, the gate's own rule stays: a RemoveMatch of such a rule goes to the bus
// only if the bus has one from the client; and if that is not certain, because an AddMatch that asked for no answer, or has none yet, may
// have been refused, then the gate adds its rule once more before.

import DBusWire
import GatePolicy

extension Mediator {
  /// Decides on an AddMatch or a RemoveMatch of the rule that stands at `place`.
  func judgeMatchRule(
    _ method: DriverMethod, _ verdict: Verdict, _ place: ByteRange, _ message: MessageView
  ) -> Decision {
    let rule: MatchRule
    do throws(MatchRuleError) {
      rule = try MatchRule(parsing: message.bytes.bytes(in: place))
    } catch {
      return .deny(.matchRuleInvalid)
    }
    if rule.hasEavesdrop { return .deny(.eavesdrop) }
    let hash = settings.seed.hash(unsafe rule.canonicalText.span.bytes)
    let isOwn = ownership.ownMatch(hash) != nil
    func change(isAnsweredHere: Bool) -> MatchRuleChange {
      MatchRuleChange(
        hash: hash, text: place, isAnsweredHere: isAnsweredHere, mayAskForOwnerChange: rule.mayAskForOwnerChange,
        isCertain: replies.hasCertainReply(message))
    }
    if method.inspection == .addMatch {
      if matches.count >= settings.limits.matchesMax { return .deny(.matches) }
      if !matches.hasRoom { return .deny(.matchesTotal) }
      return Decision(isOwn ? Verdict(.drop, .ownMatch) : verdict, .driverCall(.addMatch(change(isAnsweredHere: isOwn))))
    }
    if !isOwn { return Decision(verdict, .driverCall(.removeMatch(change(isAnsweredHere: false)))) }
    guard let entry = matches.entry(of: hash) else { return .deny(.matchRuleNotFound) }
    if entry.forwarded == 0 { return .drop(.ownMatch, .driverCall(.removeMatch(change(isAnsweredHere: true)))) }
    return Decision(verdict, .driverCall(.removeMatch(change(isAnsweredHere: false))))
  }

  // MARK: Effects

  /// The client has added a match rule. Returns what the call is refused for, if it is.
  mutating func addMatch(_ change: MatchRuleChange, _ message: MessageView) -> Verdict.Reason? {
    let text = message.bytes.bytes(in: change.text)
    if !change.isAnsweredHere, message.wantsReply {
      let call = PendingCall(
        serial: message.serial, purpose: change.isCertain ? .addMatch : .call, expectedSender: .driver,
        detail: matches.number(of: change.hash))
      if let reason = replies.expect(call) { return reason }
    }
    if change.isAnsweredHere { answerDone(message) }
    let isNew = matches.add(
      change.hash, text: change.mayAskForOwnerChange ? unsafe text.withUnsafeBytes { unsafe Array($0) } : nil
    ) {
      if change.isAnsweredHere {
        $0.answered += 1
      } else if change.isCertain {
        $0.awaited += 1
        $0.unanswered += 1
      } else {
        $0.silent += 1
      }
    }
    if isNew && change.mayAskForOwnerChange && ownership.isFollowing {
      do throws(MatchRuleError) {
        ownership.subscribe(try MatchRule(parsing: text), change.hash)
      } catch {
        preconditionFailure("a rule that was read is none")
      }
    }
    return nil
  }

  /// The client has removed a match rule. Returns what the call is refused for, if it is.
  mutating func removeMatch(_ change: MatchRuleChange, _ message: MessageView) -> Verdict.Reason? {
    let hash = change.hash
    if change.isAnsweredHere {
      guard let entry = matches.entry(of: hash), let own = ownership.ownMatch(hash) else {
        preconditionFailure("answered for a rule that the gate does not have")
      }
      forgetMatch(matches.removeAnswered(hash))
      if entry.answered == 1 && !own.isWanted { giveUp(hash, own) }
      answerDone(message)
      return nil
    }
    if message.wantsReply {
      let call = PendingCall(serial: message.serial, purpose: .call, expectedSender: .driver, detail: 0)
      if let reason = replies.expect(call) { return reason }
    }
    guard let entry = matches.entry(of: hash) else { return nil }
    if let own = ownership.ownMatch(hash), !entry.isCertain {
      ownership.noteOwnMatchAgain(hash)
      makeNamesCall(.ownAddMatch, unsafe own.text.span.bytes)
    }
    forgetMatch(matches.removeForwarded(hash))
    return nil
  }

  /// The client has removed a rule as often as it had added it, or the bus has refused it.
  mutating func forgetMatch(_ hash: UInt64?) {
    if let hash { ownership.unsubscribe(hash) }
  }

  /// The gate had kept a rule at the bus for the client's sake.
  private mutating func giveUp(_ hash: UInt64, _ own: NameWatch.OwnMatch) {
    ownership.giveUpOwnMatch(hash)
    makeOwnRemoval(of: own.text, times: own.count)
  }
}
