// How much time has passed.

/// A point on a clock that never goes back. The session reads no clock: whoever drives it says what time it is.
///
/// Source: ours.
public struct Instant: Comparable, Sendable, BitwiseCopyable {
  /// Milliseconds since an arbitrary start.
  public var milliseconds: UInt64

  /// The point `milliseconds` after the clock's start.
  @inlinable
  public init(milliseconds: UInt64) { self.milliseconds = milliseconds }

  /// The earlier of two is the smaller.
  @inlinable
  public static func < (a: Instant, b: Instant) -> Bool { a.milliseconds < b.milliseconds }

  /// The instant `milliseconds` later.
  @inlinable
  public func advanced(byMilliseconds milliseconds: UInt64) -> Instant {
    Instant(milliseconds: self.milliseconds &+ milliseconds)
  }

  /// The earlier of two that may not be there.
  @inlinable
  static func earlier(_ a: Instant?, _ b: Instant?) -> Instant? {
    guard let a, let b else { return a ?? b }
    return min(a, b)
  }
}
