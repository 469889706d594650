// What status and metrics tell of a gate.

import GateSession

/// What a gate did and does, its live connections included.
struct GateFigures {
  let gate: GateID
  let label: String
  var metrics: GateMetrics
  var isListening: Bool
  /// False: audit mode, which forwards what the rules do not allow.
  var isEnforcing: Bool
  /// Whether its bus answered when the gate last tried for itself, or was not tried.
  var isBusReachable: Bool
  /// What /healthz says of it.
  var isWell: Bool
  var connectionsMax: Int
  var unauthenticatedMax: Int
  var pendingRepliesTotal: Int
  var connections: Int
  var unauthenticated: Int
  var pendingOutgoing = 0
  var pendingIncoming = 0
  var helloPending = 0

  /// Adds what a live connection did and does.
  mutating func add(_ connection: borrowing Connection) {
    metrics.add(connection.session)
    pendingOutgoing += connection.session.pendingReplies(.outgoing)
    pendingIncoming += connection.session.pendingReplies(.incoming)
    if connection.countsAsHelloPending { helloPending += 1 }
  }
}
