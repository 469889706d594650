// Decides what becomes of each message of one connection, what that changes, and whether the decision may be remembered. There is one way to a
// decision, in this order: shape, limits, whether it can be decided now, replies, driver, rules. Judging reads and changes nothing; what a
// decision changes is its Effect, applied when all is judged (Mediator+Effects).
//
// The steps stand in Mediator+Limits, Mediator+Admission, Mediator+Client for what the client says, and Mediator+Bus for what the bus brings.
//
// It owns the parts that know of calls, names, owners and the client's registration; Session streams.

import DBusWire
import GatePolicy
import Synchronization

/// Who decides, and what it knows.
struct Mediator: ~Copyable {
  let settings: SessionSettings
  var registration = Registration()
  var names: ClientNames
  var matches: ClientMatches
  var ownership: NameOwnership
  var replies: Replies
  var local: LocalMessages
  /// The policy in force: its ``GatePolicy/Policy/identity``.
  private(set) var policyInForce: UInt64 = 0
  /// Another number after each change of what remembered decisions rest on besides their headers: the policy in force, the client's names,
  /// who owns what, who is visible.
  private(set) var epoch: UInt64 = 0
  /// What holds an atomic is looked at where it is. Anything else of this size the compiler (6.3.1) copies first, 800 bytes for each call of a
  /// method that changes nothing.
  private let inPlace = Atomic<Bool>(false)

  init(_ settings: SessionSettings, owners: OwnerDirectory, budgets: CallBudgets?) {
    self.settings = settings
    names = ClientNames(settings)
    matches = ClientMatches(total: settings.matchesTotal)
    ownership = NameOwnership(settings, owners)
    replies = Replies(settings, budgets: budgets)
    local = LocalMessages(limit: settings.limits.ownOutputBytesMax)
  }

  /// What remembered decisions rest on has changed.
  mutating func invalidate() { epoch &+= 1 }

  /// Another policy is in force.
  mutating func setPolicy(_ identity: UInt64) {
    policyInForce = identity
    invalidate()
  }

  /// The bus has said who it is.
  mutating func setBus(_ bus: BusIdentity?) { ownership.setBus(bus) }

  /// What may be remembered of a decision that rests on the header, the policy in force and what ``epoch`` counts alone: nothing, as long as
  /// something is still to become known.
  @inline(__always)
  var lasting: Decision.Validity { registration.isDone && ownership.isKnown ? .whileNothingChanges : .thisMessage }

  /// **The** place that decides on a message.
  ///
  /// - Parameters:
  ///   - descriptors: How many are at hand for the message.
  ///   - agreed: Whether its sender, and its receiver, agreed to descriptors.
  ///   - remembered: What was decided about a message with the same header and is still valid, if anything.
  @inline(__always)
  mutating func decide(
    _ message: MessageView, from side: Side, descriptors: Int, agreed: (sender: Bool, receiver: Bool),
    remembered: CachedDecision?, policy: Policy, at now: Instant, into output: inout Output
  ) -> Progress {
    let progress: Progress
    if let early = checkLimits(message, side, descriptors, agreed) {
      progress = early
    } else {
      switch side {
      case .client:
        if let early = admit(message, &output) {
          progress = early
        } else if let remembered {
          progress = .decided(remembered.verdict, remembered.effect)
        } else {
          progress = judgeFromClient(message, policy, at: now)
        }
      case .bus:
        if let remembered {
          progress = .decided(remembered.verdict, remembered.effect)
        } else {
          progress = judgeFromBus(message, policy, at: now)
        }
      }
    }
    guard case .decided(let decision) = progress else { return progress }
    return carryOut(decision, message, side, policy, &output)
  }

  /// Does what a decision changes; what the tables have no room for is refused after all.
  @inline(__always)
  mutating func carryOut(
    _ decision: Decision, _ message: MessageView, _ side: Side, _ policy: Policy, _ output: inout Output
  ) -> Progress {
    var decision = decision
    if decision.verdict.action == .deny && message.isReply {
      // An error in the place of an answer goes where the answer would have gone, and needs room there.
      if !local.hasRoom(to: side.other) { return .wait(.localOutput(side.other)) }
      decision.effect = replacement(of: message, side)
    }
    // Also if there is no room for it: it is the rules that say who is no secret.
    if decision.reveals != .nobody && decision.verdict.passes { reveal(decision.reveals, message, policy) }
    if let reason = apply(decision, message, policy, &output) {
      decision = .deny(reason)
    } else if decision.verdict.passes && side == .client && !message.wantsReply && !settings.isUnfiltered {
      replies.noteUnanswered(message.serial)
    }
    if decision.verdict.action == .deny && !message.isReply {
      tellSender(decision.verdict, of: message, side, policy)
    }
    return .decided(decision)
  }

  /// Whether the log is to have a decision.
  @inline(__always)
  func isLogged(_ verdict: Verdict) -> Bool {
    if let choice = verdict.log { return choice || settings.logging == .dryRun }
    switch settings.logging {
    case .nothing: return false
    case .denied: return verdict.action != .allow && verdict.reason.entry.isLogged
    case .everything, .dryRun: return true
    }
  }
}
