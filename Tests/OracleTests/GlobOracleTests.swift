// Globs: against GLib's GPatternSpec, which is what they are said to be.

import CGLib
import GatePolicy
import Testing

@Suite("globs, as GPatternSpec matches them", .serialized)
struct GlobOracleTests {
  private func compare(_ pattern: [UInt8], _ text: [UInt8], _ findings: inout Findings) -> Bool {
    findings.compare()
    let ours = Glob(pattern).matches(text.span.bytes)
    let simple = withCString(pattern) { pattern in withCString(text) { g_pattern_match_simple(pattern, $0) != 0 } }
    if ours != simple { findings.tell("\(ours), g_pattern_match_simple \(simple)", pattern + [UInt8(ascii: " ")] + text) }
    return ours
  }

  @Test("random patterns match the texts that GLib says they match")
  func random() {
    let letters = ["a", "b", "a", "b", ".", "/", "\u{E9}", "\u{20AC}", "\u{1F600}", "\\", "["]
    var generator = SeededGenerator(purpose: 40), findings = Findings(), matching = 0
    func word(_ letters: [String], _ most: Int) -> [UInt8] {
      (0..<generator.below(most + 1)).flatMap { _ in Array(generator.pick(letters).utf8) }
    }
    for _ in 0..<OracleRun.count(2_000_000) {
      let pattern = word(letters + ["*", "*", "*", "?", "?"], 8)
      if compare(pattern, word(letters, 10), &findings) { matching += 1 }
    }
    #expect(matching > findings.cases / 100)
    findings.finish("globs (\(matching) match)")
  }

  @Test("patterns made from a text match as GLib says")
  func nearMisses() {
    let texts = [
      "org.freedesktop.DBus.Properties", "/com/example/Object/1", "GetTemperature", "aaaaaaaaab", "\u{E9}\u{20AC}x\u{1F600}",
    ]
    var generator = SeededGenerator(purpose: 41), findings = Findings(), matching = 0
    for _ in 0..<OracleRun.count(1_000_000) {
      let text = Array(generator.pick(texts))
      var pattern = text
      for _ in 0..<(1 + generator.below(5)) where !pattern.isEmpty {
        let first = generator.below(pattern.count), last = min(pattern.count, first + generator.below(6))
        pattern.replaceSubrange(first..<last, with: generator.pick([["*"], ["?"], ["*", "?"], [], ["a"], ["?", "*"]]))
      }
      if compare(Array(String(pattern).utf8), Array(String(text).utf8), &findings) { matching += 1 }
    }
    #expect(matching > findings.cases / 20)
    findings.finish("globs made from texts (\(matching) match)")
  }
}
