import Testing

@testable import GatePolicy

@Suite("a pattern for the messages of a name")
struct MessagePatternTests {
  private func texts(_ pattern: MessagePattern) -> [String] {
    ([pattern.interface, pattern.member] + pattern.paths).map { String(decoding: $0.pattern, as: UTF8.self) }
  }

  @Test(
    "has a method, a path, both or none",
    arguments: [
      ("", ["*", "*", "*"]), ("*", ["*", "*", "*"]), ("org.foo.Bar.*", ["org.foo.Bar", "*", "*"]),
      ("org.foo.Bar.Baz", ["org.foo.Bar", "Baz", "*"]), ("@/a/b", ["*", "*", "/a/b"]), ("*@/a/*", ["*", "*", "/a", "/a/*"]),
      ("@/*", ["*", "*", "*"]), ("a.B.C@/", ["a.B", "C", "/"]),
    ])
  func parts(text: String, expected: [String]) throws {
    #expect(texts(try MessagePattern(parsing: Array(text.utf8))) == expected)
  }

  @Test(
    "is refused at the character that is wrong",
    arguments: [
      ("foo", 3), ("foo.Bar", 3), ("org.foo.1", 8), ("org..Foo.Bar", 4), ("org.foo.", 8), (".*", 0), ("org.*", 3), ("@", 1),
      ("@a", 1), ("@/a/", 4), ("@/a//*", 4), ("@/a//b", 4), ("@/a*", 3), ("a.b.c@/x y", 8), ("org.f*.x", 5), ("*x", 2),
      ("@//*", 2),
    ])
  func refusal(text: String, offset: Int) {
    #expect { try MessagePattern(parsing: Array(text.utf8)) } throws: { ($0 as? NamePatternError)?.offset == offset }
  }
}
