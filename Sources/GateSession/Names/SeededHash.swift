// Hashes under a secret seed, for tables whose keys an attacker picks (serials, names).

import DBusWire

/// A keyed hash. Who does not know the seed cannot choose keys that collide more often than chance has them collide.
///
/// Names are remembered by this 64-bit value alone: a wrong match needs a collision under a seed that never leaves the process,
/// for a name that the bus, not the attacker, assigns.
///
/// Source: ours.
public struct SeededHash: Sendable, BitwiseCopyable {
  private let a: UInt64
  private let b: UInt64

  /// A hash under a fresh random seed.
  public init() {
    var generator = SystemRandomNumberGenerator()
    self.init(a: generator.next(), b: generator.next())
  }

  /// A hash under a given seed, for simulations that must repeat.
  public init(a: UInt64, b: UInt64) {
    self.a = a | 1
    self.b = b
  }

  /// The 128-bit product folded to 64 bits: every input bit reaches every output bit.
  @inline(__always)
  private func fold(_ x: UInt64, _ y: UInt64) -> UInt64 {
    let product = x.multipliedFullWidth(by: y)
    return product.high ^ product.low
  }

  /// The hash of two numbers.
  @inline(__always)
  public func hash(_ x: UInt64, _ y: UInt64 = 0) -> UInt64 {
    fold(fold(x ^ a, 0x9E37_79B9_7F4A_7C15 ^ b) ^ y, a)
  }

  /// The hash of some bytes, never 0.
  public func hash(_ bytes: RawSpan) -> UInt64 {
    let count = bytes.byteCount
    var h = UInt64(truncatingIfNeeded: count) ^ b
    var at = 0
    while at &+ 8 <= count {
      h = fold(h ^ bytes.word(at: at), a)
      at &+= 8
    }
    h = fold(h ^ rest(of: bytes, from: at), a ^ 0xA076_1D64_78BD_642F)
    h = fold(h ^ b, 0xE703_7ED1_A0B4_28DB)
    return h == 0 ? 1 : h
  }

  /// The bytes from `start` on, fewer than eight, as one number.
  @inline(__always)
  private func rest(of bytes: RawSpan, from start: Int) -> UInt64 {
    let count = bytes.byteCount &- start
    if count == 0 { return 0 }
    // What is behind them in the last word was in the one before.
    if start > 0 { return bytes.word(at: bytes.byteCount &- 8) &>> UInt64(64 &- 8 &* count) }
    var rest: UInt64 = 0
    for at in 0..<count { rest |= UInt64(bytes.byte(at: at)) &<< UInt64(8 &* at) }
    return rest
  }
}
