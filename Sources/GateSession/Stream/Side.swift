// The two peers of a session.

import GatePolicy

/// One of the two peers that a session stands between.
///
/// Source: ours.
public enum Side: UInt8, BitwiseCopyable, Sendable {
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
