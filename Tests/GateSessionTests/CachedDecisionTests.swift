// What is remembered of a decision, and what that is good for.

import Testing

@testable import GateSession

@Suite("a remembered decision")
struct CachedDecisionTests {
  private func remember(
    _ action: Verdict.Action, descriptors: Int = 0, epoch: UInt64 = 7, isLogged: Bool = false, isReplyKnown: Bool = true
  ) -> CachedDecision {
    CachedDecision(
      Decision(Verdict(action, .rule, rule: 3), .takeClientReply(caller: 5)), descriptors: descriptors, epoch: epoch,
      isLogged: isLogged, isReplyKnown: isReplyKnown)
  }

  @Test("of what is allowed the next goes by without a look, with descriptors or without", arguments: [0, 1, 253])
  func forward(descriptors: Int) {
    let remembered = remember(.allow, descriptors: descriptors, isReplyKnown: false)
    #expect(remembered.use == .forward && remembered.descriptors == descriptors)
  }

  @Test("of what is denied the next is skipped, if its sender gets the same error")
  func refuse() {
    #expect(remember(.deny).use == .refuse)
    #expect(remember(.deny, isReplyKnown: false).use == .decided)
    #expect(remember(.deny, descriptors: 1).use == .decided, "its descriptors are to be closed")
  }

  @Test("what is logged, watched or dropped is looked at, and not decided on", arguments: [Verdict.Action.audit, .drop])
  func decided(action: Verdict.Action) {
    #expect(remember(action).use == .decided)
    for logged in [Verdict.Action.allow, .deny] { #expect(remember(logged, isLogged: true).use == .decided) }
  }

  @Test("its verdict and its effect are those of the decision")
  func content() {
    let remembered = remember(.allow)
    #expect(remembered.verdict == Verdict(.allow, .rule, rule: 3))
    guard case .takeClientReply(caller: 5) = remembered.effect else {
      Issue.record("\(remembered.effect)")
      return
    }
  }

  @Test("it holds in its own epoch, and until it is forgotten", arguments: [0, 1, UInt64.max])
  func epoch(epoch: UInt64) {
    var remembered = remember(.allow, epoch: epoch)
    #expect(remembered.isValid(in: epoch))
    #expect(!remembered.isValid(in: epoch &+ 1) && !remembered.isValid(in: epoch &- 1))
    remembered.forget()
    #expect(!remembered.isValid(in: epoch))
  }

  @Test("where nothing is remembered nothing holds, in whatever epoch", arguments: [0, 1, UInt64.max])
  func nothing(epoch: UInt64) { #expect(CachedDecision().use == .none && !CachedDecision().isValid(in: epoch)) }
}
