// The other end of a message where no rule asks for it. Called by CompiledRules.

/// For policies whose rules have no names.
struct AnyPeer: PeerTest {
  @inline(__always)
  func meets(_ rule: CompiledRule, _ name: RawSpan, in arena: RawSpan) -> Bool { true }
}
