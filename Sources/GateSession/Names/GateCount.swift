// What all sessions of a gate may have together: match rules, names. A bus charges them to the gate's user, whichever client asked for them.

import Synchronization

/// How many there are of something in all sessions of a gate, and how many there may be.
///
/// Source: contrib/OPERATORS.md, "Limits".
public final class GateCount: Sendable {
  /// The most there may be.
  public let max: Int
  // An atomic because that is the cheapest that a class can hold; a gate's sessions are all of one thread.
  private let taken = Atomic<Int>(0)

  /// None yet, of `max`.
  public init(max: Int) { self.max = max }

  /// How many there are.
  public var count: Int { taken.load(ordering: .relaxed) }

  /// Whether there may be one more.
  public var hasRoom: Bool { count < max }

  func add(_ change: Int) { taken.wrappingAdd(change, ordering: .relaxed) }
}
