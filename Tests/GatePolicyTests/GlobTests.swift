import Testing

@testable import GatePolicy

@Suite("a glob")
struct GlobTests {
  @Test(
    "matches as GPatternSpec does",
    arguments: [
      ("*", "", true), ("*", "org.example", true), ("**", "", true), ("**", "a", true), ("", "", true), ("", "a", false),
      ("a", "", false), ("?", "", false), ("?", "a", true), ("?", "ab", false), ("*?", "", false), ("?*", "abc", true),
      ("org.*", "org.", true), ("org.*", "org", false), ("*.Door", "org.example.Door", true), ("*.Door", "Door", false),
      ("org.*.Door", "org.a.b.Door", true), ("org.*.Door", "org.Door", false), ("/a/*", "/a/b/c", true), ("/a/*", "/a", false),
      ("Open", "open", false), ("Open", "Opens", false), ("Opens", "Open", false), ("a*b*c", "a1b2b3c", true),
      ("a*b*c", "a1c2b", false), ("*ab", "aab", true), ("*aab", "aaab", true), ("\\*", "*", false), ("\\*", "\\x", true),
      ("[a]", "a", false), ("?", "é", true), ("??", "é", false), ("*?", "é", true), ("*??", "é", false), ("a?c", "a€c", true),
      ("*?c", "😀c", true), ("?😀", "é😀", true), ("*", "é", true),
    ])
  func matches(pattern: String, text: String, expected: Bool) {
    #expect(Glob(Array(pattern.utf8)).matches(Array(text.utf8)) == expected)
  }

  @Test("agrees with trying everything, for all short patterns and texts")
  func agreesWithReference() {
    // Two letters are enough to make every overlap; é brings the characters of two bytes.
    let patterns = words(over: ["a", "b", "*", "?"], upTo: 5)
    let texts = words(over: ["a", "b", "é"], upTo: 4)
    var differences: [String] = []
    for pattern in patterns {
      let glob = Glob(Array(pattern.utf8))
      for text in texts where glob.matches(Array(text.utf8)) != referenceMatches(pattern[...], text[...]) {
        differences.append("\(pattern) on \(text)")
      }
    }
    #expect(patterns.count == 1365 && texts.count == 121)
    #expect(differences == [])
  }

  @Test("with many wildcards takes no more than pattern times text steps")
  func doesNotBacktrackTwice() {
    // Trying everything would take more than 2⁶⁴ steps here.
    let pattern = String(repeating: "*a", count: 60) + "b"
    #expect(!Glob(Array(pattern.utf8)).matches(Array(repeating: UInt8(ascii: "a"), count: 4000)))
  }

  @Test(
    "knows what it is",
    arguments: [
      ("", true, false, ""), ("*", false, true, ""), ("**", false, false, ""), ("a.b", true, false, "a.b"),
      ("a.*", false, false, "a."), ("a?c", false, false, "a"), ("?", false, false, ""),
    ])
  func classifies(pattern: String, isLiteral: Bool, isEverything: Bool, prefix: String) {
    let glob = Glob(Array(pattern.utf8))
    #expect(glob.isLiteral == isLiteral)
    #expect(glob.isEverything == isEverything)
    #expect(glob.literalPrefix.elementsEqual(prefix.utf8))
  }

  private func words(over alphabet: [String], upTo length: Int) -> [String] {
    var all = [""]
    var last = [""]
    for _ in 0..<length {
      last = last.flatMap { word in alphabet.map { word + $0 } }
      all += last
    }
    return all
  }
}
