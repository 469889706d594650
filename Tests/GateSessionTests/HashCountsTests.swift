// Hashes with counts, against a dictionary.

import Testing

@testable import GateSession

@Suite("hashes with counts")
struct HashCountsTests {
  @Test("are as a dictionary has them, whatever is added and removed", arguments: 1..<6)
  func model(seed: UInt64) {
    var random = seed &* 0x9E37_79B9_7F4A_7C15
    func number(_ below: UInt64) -> UInt64 {
      random ^= random << 13
      random ^= random >> 7
      random ^= random << 17
      return random % below
    }
    var counts = HashCounts()
    var expected: [UInt64: UInt32] = [:]
    for _ in 0..<4000 {
      let hash = number(60) &* 0x0432_1987_6543_2109
      switch number(5) {
      case 0, 1:
        counts.add(hash)
        expected[hash, default: 0] += 1
      case 2:
        counts.insert(hash)
        if expected[hash] == nil { expected[hash] = 1 }
      default:
        counts.remove(hash)
        if let times = expected[hash] { expected[hash] = times > 1 ? times - 1 : nil }
      }
      #expect(counts.count == expected.count)
      #expect(counts.isEmpty == expected.isEmpty)
      #expect(counts[hash] == expected[hash] ?? 0)
      #expect(counts.contains(hash) == (expected[hash] != nil))
    }
    for (hash, times) in expected { #expect(counts[hash] == times) }
  }
}
