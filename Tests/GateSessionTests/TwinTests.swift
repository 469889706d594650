// What a session remembers of the last messages saves time, and changes nothing that anybody can see.

import Testing

@Suite("twins")
struct TwinTests {
  @Test("a session that remembers nothing does the same", arguments: 160..<176 as Range<UInt64>)
  func same(seed: UInt64) throws {
    var twins = Twins(seed: seed)
    if let fault = try twins.live() {
      Issue.record("other \(fault)\n\(twins.log.suffix(40).joined(separator: "\n"))")
    }
  }
}
