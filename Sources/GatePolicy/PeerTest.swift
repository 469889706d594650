// How a search through rules asks about the other end. A policy whose rules have no names does not ask, and pays nothing. The search is
// generic, so that the compiler makes one of each kind. Called by CompiledRules.

/// Answers what a rule asks of the other end.
protocol PeerTest {
  func meets(_ rule: CompiledRule, _ name: RawSpan, in arena: RawSpan) -> Bool
}
