import Testing

@testable import GatePolicy

@Test("a document becomes a policy that allows what it names and nothing else")
func smoke() throws {
  let text = """
    { "dbus-gateway-config-session": [
      { "direction": "outgoing", "interface": "org.foo.Bar", "object-path": "/org/foo/*", "method": ["Get", "Set*"] },
      { "direction": "*", "interface": "*", "object-path": "*", "method": "Ping" }
    ] }
    """
  let document = try GatewayDocument.parse(Array(text.utf8), file: "a.json")
  #expect(document.warnings.isEmpty)
  let policy = Policy(rules: document.sessionRules, busName: "SESSION")
  func verdict(_ i: String, _ p: String, _ m: String) -> RuleMatch {
    let (i, p, m) = (Array(i.utf8), Array(p.utf8), Array(m.utf8))
    return policy.match(
      direction: .outgoing, isSignal: false, interface: i.span.bytes, path: p.span.bytes, member: m.span.bytes, descriptors: 0)
  }
  #expect(verdict("org.foo.Bar", "/org/foo/x", "Get").rule == 0)
  #expect(verdict("org.foo.Bar", "/org/foo/x", "Setting").rule == 0)
  #expect(verdict("org.foo.Bar", "/org/foo", "Get").rule == -1)
  #expect(verdict("org.foo.Ba", "/org/foo/x", "Get").rule == -1)
  #expect(verdict("", "/", "Ping").rule == 1)
  #expect(verdict("", "/org/foo/x", "Get").rule == -1)
}
