// What is counted of one gate.

import GateSession

/// What one gate did.
struct GateMetrics {
  /// Messages of connections that have ended.
  var sessions = SessionCounters()
  var accepted: UInt64 = 0
  var busConnects: UInt64 = 0
  var busConnectFailures: UInt64 = 0
  /// Connections that ended, by ``ConnectionEnd``.
  private(set) var ended = [UInt64](repeating: 0, count: ConnectionEnd.allCases.count)
  /// Limits hit, by the place of a ``LimitName``, without those that are reasons of verdicts: see ``hits(of:)``.
  private var limits = [UInt64](repeating: 0, count: LimitName.allCases.count)

  mutating func hit(_ limit: LimitName) { limits[limit.place] &+= 1 }

  mutating func ended(_ session: borrowing Session, _ why: ConnectionEnd) {
    add(session)
    ended[why.rawValue] &+= 1
  }

  /// Adds what a session counted.
  mutating func add(_ session: borrowing Session) { sessions.add(session.counters) }

  /// How often a limit was hit.
  func hits(of limit: LimitName) -> UInt64 {
    if let reason = limit.reason { return sessions.refusals(from: .client, reason) + sessions.refusals(from: .bus, reason) }
    return limits[limit.place]
  }
}
