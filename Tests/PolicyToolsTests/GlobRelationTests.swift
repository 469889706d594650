import GatePolicy
import Testing

@testable import PolicyTools

@Suite("Globs beside each other")
struct GlobRelationTests {
  private func glob(_ text: String) -> Glob { Glob(Array(text.utf8)) }

  @Test("overlap and inclusion are what trying every short text says")
  func exhaustive() {
    // Texts of two letters up to five bytes tell all pairs of patterns of up to three bytes apart.
    let samples = texts(over: Array("ab".utf8), upTo: 5)
    let patterns = texts(over: Array("a*?".utf8), upTo: 3).map { Glob($0) }
    for a in patterns {
      let matchedByA = samples.filter { a.matches($0) }
      for b in patterns {
        let common = matchedByA.contains { b.matches($0) }
        #expect(GlobRelation.overlap(a, b) == common, "\(a.pattern) and \(b.pattern)")
        let inside = matchedByA.allSatisfy { b.matches($0) }
        // A pattern that matches nothing here matches nothing at all.
        #expect(GlobRelation.includes(b, a) == inside || a.pattern.isEmpty, "\(b.pattern) over \(a.pattern)")
      }
    }
  }

  @Test("a pattern with more places than are looked at is said not to be included, and its copy is")
  func bounded() {
    let hard = glob("*a" + String(repeating: "?", count: 24))
    #expect(!GlobRelation.includes(hard, glob("*a" + String(repeating: "?", count: 23) + "?b*")))
    #expect(GlobRelation.includes(hard, hard))
  }

  @Test(
    "what no legal name matches is told from what one does",
    arguments: [
      ("org.bluez", NameSort.interface, true), ("org", .interface, false), ("org*", .interface, true),
      ("org.", .interface, false),
      ("org.*.x", .interface, true), ("org..x", .interface, false), ("org.1*", .interface, false), ("*1", .interface, true),
      ("org bluez*", .interface, false), ("*", .interface, true), ("", .interface, false), ("?", .interface, false),
      ("???", .interface, true), ("org/bluez*", .interface, false), ("/", .path, true), ("/a", .path, true),
      ("/a/", .path, false),
      ("/a/*", .path, true), ("a/*", .path, false), ("//*", .path, false), ("/a-b", .path, false), ("*/", .path, true),
      ("/a*/", .path, false), ("Get", .member, true), ("Get.All", .member, false), ("*Get", .member, true),
      ("1*", .member, false),
      ("G?t", .member, true), ("G\u{E9}*", .member, false),
    ])
  func grammar(pattern: String, sort: NameSort, isMatched: Bool) {
    #expect(GlobRelation.canMatch(glob(pattern), sort) == isMatched)
  }

  @Test("a member of 255 bytes is legal, and one more is not")
  func longest() {
    #expect(GlobRelation.canMatch(glob(String(repeating: "m", count: 255) + "*"), .member))
    #expect(!GlobRelation.canMatch(glob(String(repeating: "m", count: 256) + "*"), .member))
  }
}
