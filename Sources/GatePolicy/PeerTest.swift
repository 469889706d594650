// How a search through rules asks about the other end: not at all where no rule has a name, so that such policies pay nothing for the
// others. Generic, and specialised by the compiler. Called by CompiledRules.

/// Answers what a rule asks of the other end.
protocol PeerTest {
  func meets(_ rule: CompiledRule, _ name: RawSpan, in arena: RawSpan) -> Bool
}
