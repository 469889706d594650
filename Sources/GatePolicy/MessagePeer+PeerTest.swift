// The other end of a message where rules ask for it. Called by CompiledRules.

extension MessagePeer: PeerTest {
  @inline(__always)
  func meets(_ rule: CompiledRule, _ name: RawSpan, in arena: RawSpan) -> Bool {
    !rule.asksForName || rule.name.matches(name, self, in: arena)
  }
}
