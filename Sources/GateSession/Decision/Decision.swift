// What is decided about one message, all of it, in one value: what becomes of the message, what that changes, who becomes visible by it, and
// whether the next message with the same header may be treated alike without being asked about. Mediator makes it, and nobody else.

/// A decision about one message.
struct Decision: BitwiseCopyable {
  /// Whether the next message with the same header gets the same decision.
  enum Validity: BitwiseCopyable {
    /// It is decided on anew: what is not known to rest on the header and the policy alone is asked every time.
    case thisMessage
    /// It does, until ``Mediator/epoch`` changes. Who decides so says by it that nothing was asked but the header, the policy, and what
    /// the epoch counts.
    case whileNothingChanges
  }

  /// Who is no secret to the client any more.
  enum Reveals: BitwiseCopyable {
    /// Nobody.
    case nobody
    /// The name that the message is for: a rule allowed to call it.
    case destination
    /// The peer that the message comes from.
    case sender
  }

  /// What becomes of the message.
  var verdict: Verdict
  /// What that changes.
  var effect: Effect
  /// Who becomes visible, if the message passes.
  var reveals = Reveals.nobody
  /// Whether it may be remembered. It may not, unless who makes it says so.
  var validity = Validity.thisMessage

  init(_ verdict: Verdict, _ effect: Effect = .none) {
    self.verdict = verdict
    self.effect = effect
  }

  /// A message that does not pass, and changes nothing.
  static func deny(_ reason: Verdict.Reason) -> Decision { Decision(Verdict(.deny, reason)) }
  /// A message that does not pass, and whose sender is not told.
  static func drop(_ reason: Verdict.Reason, _ effect: Effect = .none) -> Decision { Decision(Verdict(.drop, reason), effect) }
}
