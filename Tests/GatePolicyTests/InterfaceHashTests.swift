import Testing

@testable import GatePolicy

@Suite("the hash of interfaces")
struct InterfaceHashTests {
  @Test("is another one for every seed, and sees every byte and the length")
  func keyed() {
    var generator = SeededGenerator(state: 1)
    let (hash, other) = (
      InterfaceHash(generator.next(), generator.next()), InterfaceHash(generator.next(), generator.next())
    )
    for count in 1...40 {
      let name: [UInt8] = Array(repeating: UInt8(ascii: "a"), count: count)
      #expect(hash(name) != other(name))
      var seen: Set<UInt64> = [hash(name), hash(name + [UInt8(ascii: "a")])]
      for i in 0..<count {
        var changed = name
        changed[i] = UInt8(ascii: "b")
        seen.insert(hash(changed))
      }
      #expect(seen.count == count + 2)
    }
  }

  @Test("spreads names that differ in a number over the slots")
  func spread() {
    for seed in 0..<20 as Range<UInt64> {
      var generator = SeededGenerator(state: seed)
      let hash = InterfaceHash(generator.next(), generator.next())
      var lengths: [UInt64: Int] = [:]
      for i in 0..<10_000 { lengths[hash(Array("org.example.Service\(i)".utf8)) & 0x7FFF, default: 0] += 1 }
      #expect(lengths.values.max()! <= PolicyCompiler.slotLengthMax)
    }
  }
}
