// Where a simulated world takes its chances from: a seed, which alone repeats everything, or the bytes of a fuzzer, which learns from
// what they led to.

/// A source of choices.
package struct Choices {
  private enum Source {
    case seed(UInt64)
    case bytes([UInt8], next: Int)
  }

  private var source: Source

  package init(seed: UInt64) { source = .seed(seed) }

  package init(bytes: [UInt8]) { source = .bytes(bytes, next: 0) }

  /// Whether there are no more choices, and all that follow are the first one.
  package var isExhausted: Bool {
    if case .bytes(let bytes, let next) = source { return next >= bytes.count }
    return false
  }

  /// A number from 0 to `bound` - 1.
  package mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "nothing to choose from")
    switch source {
    case .seed: return Int(number() % UInt64(bound))
    case .bytes(let bytes, let next):
      let width = bound <= 256 ? 1 : 2
      let taken = bytes[min(next, bytes.count)..<min(next + width, bytes.count)]
      source = .bytes(bytes, next: next + width)
      return taken.reduce(0) { $0 << 8 | Int($1) } % bound
    }
  }

  package mutating func chance(_ percent: Int) -> Bool { below(100) >= 100 - percent }

  package mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }

  /// 64 bits.
  package mutating func number() -> UInt64 {
    guard case .seed(var state) = source else { return (0..<8).reduce(0) { sum, _ in sum << 8 | UInt64(below(256)) } }
    // SplitMix64: the same numbers from the same seed, everywhere.
    state &+= 0x9E37_79B9_7F4A_7C15
    source = .seed(state)
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
