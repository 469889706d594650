// The earliest of several instants.

import GateSession

/// The earliest of the instants that were noted. It moves to an earlier one only; who looks at everything again clears it first.
struct Deadline {
  /// Nil: nothing is due, ever.
  private(set) var instant: Instant?

  /// Something is due then; nil: nothing.
  @inline(__always)
  mutating func note(_ other: Instant?) {
    guard let other else { return }
    if let instant, instant <= other { return }
    instant = other
  }

  /// Whether it has passed.
  @inline(__always)
  func isDue(at now: Instant) -> Bool {
    guard let instant else { return false }
    return now >= instant
  }

  /// Forgets all that was noted.
  mutating func clear() { instant = nil }
}
