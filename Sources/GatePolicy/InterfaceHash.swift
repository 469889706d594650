// The keyed hash of interface names. Each Policy draws its own seed, so nobody outside knows which names share a slot. PolicyCompiler draws
// again where a slot would be long. Called by PolicyCompiler and by each match.

import DBusWire

/// A function from names to 64 bits, one of many.
///
/// Words of eight bytes are folded in by 64 × 64 → 128-bit multiplication, upper half onto lower. Not for secrets. It need not resist
/// collisions either: a peer can only look names up, and the operator chose those that are stored.
struct InterfaceHash: BitwiseCopyable {
  private let seed: UInt64
  private let multiplier: UInt64

  /// One of the functions, by two random numbers.
  init(_ first: UInt64, _ second: UInt64) {
    seed = first
    multiplier = second | 1
  }

  /// One that nobody can foresee.
  static func drawn() -> InterfaceHash {
    var generator = SystemRandomNumberGenerator()
    return InterfaceHash(generator.next(), generator.next())
  }

  /// The hash of `name`.
  @inline(__always)
  func callAsFunction(_ name: RawSpan) -> UInt64 {
    let count = name.byteCount
    var hash = seed
    var i = 0
    while i <= count - 8 {
      hash = fold(hash ^ name.word(at: i))
      i += 8
    }
    // The length is folded in by itself: as part of the seed it could be cancelled by the first byte, whatever the seed.
    return fold(fold(hash ^ remainder(of: name, from: i)) ^ UInt64(truncatingIfNeeded: count))
  }

  /// The hash of `name`, when rules are compiled.
  func callAsFunction(_ name: [UInt8]) -> UInt64 { self(unsafe name.span.bytes) }

  /// The last bytes as one word. They overlap the word before, where there is one. That does no harm, as the length is hashed too.
  @inline(__always)
  private func remainder(of name: RawSpan, from i: Int) -> UInt64 {
    let count = name.byteCount
    if count == i { return 0 }
    if count >= 8 { return name.word(at: count - 8) }
    if count >= 4 { return UInt64(name.halfWord(at: 0)) << 32 | UInt64(name.halfWord(at: count - 4)) }
    return UInt64(name.byte(at: 0)) << 16 | UInt64(name.byte(at: count / 2)) << 8 | UInt64(name.byte(at: count - 1))
  }

  @inline(__always)
  private func fold(_ word: UInt64) -> UInt64 {
    let product = word.multipliedFullWidth(by: multiplier)
    return product.high ^ product.low
  }
}
