// A decision that holds for the next message with the same header.

/// What is remembered of a decision.
struct CachedDecision: BitwiseCopyable {
  /// What it is good for.
  enum Use: BitwiseCopyable {
    /// Nothing is remembered.
    case none
    /// Messages go by without a look at anything else.
    case forward
    /// Messages are skipped, and their senders get the remembered error, if any.
    case refuse
    /// Messages have to be looked at one by one, since they are logged; but they need not be decided on again.
    case decided
  }

  private(set) var use = Use.none
  private(set) var verdict = Verdict(.drop, .noRule)
  private(set) var effect = Effect.none
  /// How many descriptors each message has. Where there are any, each message is a run of its own.
  private(set) var descriptors: UInt16 = 0
  /// The ``Mediator/epoch`` in which it was decided.
  private(set) var epoch: UInt64 = 0

  init() {}

  /// - Parameters:
  ///   - isLogged: Whether the log wants each such decision.
  ///   - isReplyKnown: Whether who is refused gets the same error each time, or none.
  init(_ decision: Decision, descriptors: Int, epoch: UInt64, isLogged: Bool, isReplyKnown: Bool) {
    verdict = decision.verdict
    effect = decision.effect
    self.descriptors = UInt16(clamping: descriptors)  // no more than the kernel allows, or it would not have passed
    self.epoch = epoch
    switch decision.verdict.action {
    case _ where isLogged: use = .decided
    case .allow: use = .forward
    case .deny: use = descriptors == 0 && isReplyKnown ? .refuse : .decided
    case .audit, .drop: use = .decided
    }
  }

  /// Whether it holds in this epoch.
  @inline(__always)
  func isValid(in epoch: UInt64) -> Bool { use != .none && self.epoch == epoch }

  mutating func forget() { use = .none }
}
