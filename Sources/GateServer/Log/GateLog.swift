// What one gate may write into the log, and what was suppressed. A gate serves one container: a noisy one may not hide the others.

import GateSession

/// The rates of a gate's events. Log writes in its name.
final class GateLog {
  let label: String
  /// Tells its events from other gates'; never used again.
  let number: UInt64
  /// Two rates, so that a flood of messages that pass cannot hide one that does not.
  private var passed: EventRate
  private var refused: EventRate
  private var connections: EventRate
  private(set) var suppressedDecisions = 0
  private(set) var suppressedConnections = 0
  /// When it is said how much was suppressed.
  private(set) var reportAt: Instant?

  init(_ label: String, number: UInt64, _ rate: EventRate) {
    (self.label, self.number) = (label, number)
    (passed, refused, connections) = (rate, rate, rate)
  }

  /// Whether one more event of this kind may be written.
  func admits(_ kind: LogEvent.Kind, passes: Bool, at now: Instant) -> Bool {
    if kind != .decision { return connections.admits(at: now) }
    return passes ? passed.admits(at: now) : refused.admits(at: now)
  }

  /// So many events are not written; that is said at `instant`, if not before.
  func suppress(decisions: Int, connections: Int, reportAt instant: Instant) {
    suppressedDecisions += decisions
    suppressedConnections += connections
    if reportAt == nil { reportAt = instant }
  }

  /// It was said.
  func noteReport() { (suppressedDecisions, suppressedConnections, reportAt) = (0, 0, nil) }
}
