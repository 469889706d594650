// Hashes under a secret seed, for tables whose keys an attacker picks (serials, names).

/// A keyed hash. Who does not know the seed cannot choose keys that collide more often than chance has them collide.
///
/// Names are remembered by this 64-bit value alone: a wrong match needs a collision under a seed that never leaves the process,
/// for a name that the bus, not the attacker, assigns.
///
/// Source: ours.
public struct SeededHash: Sendable, BitwiseCopyable {
  @usableFromInline let a: UInt64
  @usableFromInline let b: UInt64

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
  @inlinable @inline(__always)
  func fold(_ x: UInt64, _ y: UInt64) -> UInt64 {
    let product = x.multipliedFullWidth(by: y)
    return product.high ^ product.low
  }

  /// The hash of two numbers.
  @inlinable @inline(__always)
  public func hash(_ x: UInt64, _ y: UInt64 = 0) -> UInt64 {
    fold(fold(x ^ a, 0x9E37_79B9_7F4A_7C15 ^ b) ^ y, a)
  }

  /// The hash of some bytes, never 0.
  @inlinable
  public func hash(_ bytes: RawSpan) -> UInt64 {
    var h = UInt64(truncatingIfNeeded: bytes.byteCount) ^ b
    var at = 0
    while at &+ 8 <= bytes.byteCount {
      h = fold(h ^ load(bytes, at), a)
      at &+= 8
    }
    var tail: UInt64 = 0
    var shift: UInt64 = 0
    while at < bytes.byteCount {
      tail |= UInt64(byte(bytes, at)) &<< shift
      shift &+= 8
      at &+= 1
    }
    h = fold(h ^ tail, a ^ 0xA076_1D64_78BD_642F)
    h = fold(h ^ b, 0xE703_7ED1_A0B4_28DB)
    return h == 0 ? 1 : h
  }

  @inlinable @inline(__always)
  func load(_ bytes: RawSpan, _ at: Int) -> UInt64 {
    unsafe bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self)  // checked by the loop above
  }

  @inlinable @inline(__always)
  func byte(_ bytes: RawSpan, _ at: Int) -> UInt8 {
    unsafe bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)  // checked by the loop above
  }
}
