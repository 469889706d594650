// The two peers of a session, and how much time has passed.

import GatePolicy

/// One of the two peers that a session stands between.
///
/// Source: ours.
public enum Side: UInt8, Sendable {
  /// The peer inside the container.
  case client
  /// The upstream message bus.
  case bus

  /// The peer that bytes from this side go to.
  @inlinable
  public var other: Side {
    switch self {
    case .client: .bus
    case .bus: .client
    }
  }

  /// The direction of messages that come from this side.
  @inlinable
  public var direction: Direction {
    switch self {
    case .client: .outgoing
    case .bus: .incoming
    }
  }
}

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
}
