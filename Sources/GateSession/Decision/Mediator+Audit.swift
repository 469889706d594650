// What the rules' word comes to. Audit mode is here and nowhere else: what the rules refuse then passes, and the log says so. What
// the rules are not asked about is not refused here, and so stays closed in either mode: the driver's privileged calls,
// eavesdropping, other people's messages, answers that nobody waits for, limits, and whatever is malformed.

import GatePolicy

extension Mediator {
  /// The verdict that follows from a match of the rules.
  @inline(__always)
  func byRules(_ match: RuleMatch) -> Verdict {
    switch match.outcome {
    case .allow: Verdict(.allow, .rule, rule: match.rule, log: match.log)
    case .deny: refusal(.rule, by: match)
    case .none: refusal(.noRule)
    }
  }

  /// The verdict on a message that the rules could have opened and do not.
  @inline(__always)
  func refusal(_ reason: Verdict.Reason, by match: RuleMatch = .none) -> Verdict {
    Verdict(settings.mode == .audit ? .audit : .deny, reason, rule: match.rule, log: match.log)
  }
}
