import Testing

@testable import GatePolicy

@Suite("a pattern for names")
struct NamePatternTests {
  private func matches(_ pattern: NamePattern, _ name: String) -> Bool { pattern.matches(Array(name.utf8).span.bytes) }

  @Test(
    "matches as it is written",
    arguments: [
      ("org.foo", ["org.foo"], ["org.foo.bar", "org.foobar", "org.fo", "org"]),
      ("org.foo.*", ["org.foo", "org.foo.bar", "org.foo.bar.gazonk"], ["org.foobar", "org.fo", "org", "org.foo-bar.x"]),
      ("org.*", ["org.foo", "org.foo.bar"], ["organ.foo", "com.org"]),
      ("*", ["org.foo", "a.b"], []),
      ("org.f*", ["org.f", "org.foo", "org.foo.bar"], ["org.goo", "org"]),
      ("org.f*.*", ["org.f", "org.foo", "org.foo.bar"], ["org.goo"]),
      ("*.foo", ["org.foo", "a.b.foo"], ["org.foo.bar", "org.afoo"]),
      ("org.fo?", ["org.foo", "org.fox"], ["org.fo", "org.fooo"]),
      ("org.fo?.*", ["org.foo", "org.fox.a"], ["org.fo", "org.fooo"]),
      ("org.foo-bar", ["org.foo-bar"], ["org.foo.bar"]),
    ])
  func matching(pattern: String, matched: [String], others: [String]) throws {
    let pattern = try NamePattern(Array(pattern.utf8))
    for name in matched { #expect(matches(pattern, name), "\(name)") }
    for name in others + [":1.5", ""] { #expect(!matches(pattern, name), "\(name)") }
  }

  @Test(
    "tells the elements that all matching names begin with",
    arguments: [
      ("org.foo", "org.foo"), ("org.foo.*", "org.foo"), ("org.foo.b*", "org.foo"), ("org.f*.x", "org"), ("o*.x", ""), ("*", ""),
      ("org.fo?.*", "org"),
    ])
  func namespace(pattern: String, namespace: String) throws {
    #expect(try NamePattern(Array(pattern.utf8)).namespace.elementsEqual(namespace.utf8))
  }

  @Test(
    "is refused at the character that is wrong",
    arguments: [
      ("", 0), (":1.5", 0), (".foo", 0), ("org..foo", 4), ("org.foo.", 8), ("org", 3), ("org.1foo", 4), ("org.foo/bar", 7),
      ("org.foo.*.", 10), (".*", 0), ("org.f\u{e9}", 5), ("org.foo\0", 7), ("org.foo bar", 7),
    ])
  func refusal(text: String, offset: Int) {
    #expect { try NamePattern(Array(text.utf8)) } throws: { ($0 as? NamePatternError)?.offset == offset }
  }

  @Test("may have the length of a name and a subtree's ending, and not a byte more")
  func length() throws {
    let name = "a." + String(repeating: "b", count: 253)
    #expect(matches(try NamePattern(Array((name + ".*").utf8)), name))
    #expect(throws: NamePatternError.self) { try NamePattern(Array((name + "b.*").utf8)) }
  }
}
