// The metrics there are, a row each. A new one is a row here, and what it counts where that happens.

import GateSession

extension MetricFamily {
  /// Every metric, in the order in which they are told, each with all of its series from the start.
  public static let all: [MetricFamily] = [
    MetricFamily("busgate_build", .info, "The version that runs.") { $0.value(1, ("version", $1.version)) },
    MetricFamily("busgate_start_time_seconds", .gauge, unit: "seconds", "When the gate was started, in seconds since 1970.") {
      $0.value(milliseconds: $1.metrics.startedAt)
    },
    MetricFamily(
      "busgate_messages", .counter,
      "Messages by direction, type and verdict: allow, deny (the sender is told if it asked), drop, audit (forwarded, would be denied)."
        + " What the gate asks and answers itself is under none.",
      ofGate: writeMessages),
    MetricFamily(
      "busgate_message_bytes", .counter, unit: "bytes", "Bytes of messages that were forwarded, or skipped.",
      ofGate: writeMessageBytes),
    MetricFamily(
      "busgate_denials", .counter, "Messages that did not pass, by the reason that the decision log gives.", ofGate: writeDenials),
    MetricFamily(
      "busgate_listening", .gauge, "Whether the gate's socket accepts clients.",
      ofGate: {
        $0.value($1.isListening ? 1 : 0, of: $1)
      }),
    MetricFamily(
      "busgate_bus_reachable", .gauge, "Whether the gate's own last try at its bus worked; 1 before any.",
      ofGate: { $0.value($1.isBusReachable ? 1 : 0, ("gate", $1.label)) }),
    MetricFamily(
      "busgate_healthy", .gauge, "Whether /healthz says that the gate is well.",
      ofGate: { $0.value($1.isWell ? 1 : 0, ("gate", $1.label)) }),
    MetricFamily(
      "busgate_enforcing", .gauge, "Whether what the rules do not allow is refused; 0: audit mode forwards it.",
      ofGate: { $0.value($1.isEnforcing ? 1 : 0, of: $1) }),
    MetricFamily(
      "busgate_connections", .gauge, "Connections of clients.",
      ofGate: {
        $0.value(UInt64($1.connections), of: $1)
      }),
    MetricFamily(
      "busgate_connections_max", .gauge, "Connections of clients that there may be: connections-max.",
      ofGate: { $0.value(UInt64($1.connectionsMax), ("gate", $1.label)) }),
    MetricFamily(
      "busgate_connections_accepted", .counter, "Connections that were accepted.",
      ofGate: {
        $0.value($1.metrics.accepted, of: $1)
      }),
    MetricFamily(
      "busgate_connections_closed", .counter, "Connections that ended, by what ended them.",
      ofGate: { text, gate in
        for end in ConnectionEnd.allCases {
          text.value(gate.metrics.ended[end.rawValue], of: gate, ("reason", end.word.description))
        }
      }),
    MetricFamily(
      "busgate_connections_unauthenticated", .gauge,
      "Connections of clients that have not authenticated, or not said Hello, yet.",
      ofGate: { $0.value(UInt64($1.unauthenticated), of: $1) }),
    MetricFamily(
      "busgate_connections_unauthenticated_max", .gauge,
      "How many of those there may be until further clients wait: unauthenticated-max.",
      ofGate: { $0.value(UInt64($1.unauthenticatedMax), ("gate", $1.label)) }),
    MetricFamily(
      "busgate_connections_hello_pending", .gauge, "Connections to the bus that have no unique name yet.",
      ofGate: {
        $0.value(UInt64($1.helloPending), of: $1)
      }),
    MetricFamily(
      "busgate_replies_pending", .gauge, "Calls that were forwarded and not answered yet.",
      ofGate: { text, gate in
        text.value(UInt64(gate.pendingOutgoing), of: gate, ("direction", "outgoing"))
        text.value(UInt64(gate.pendingIncoming), of: gate, ("direction", "incoming"))
      }),
    MetricFamily(
      "busgate_replies_pending_max", .gauge, "How many of those there may be in each direction: pending-replies-total.",
      ofGate: { $0.value(UInt64($1.pendingRepliesTotal), ("gate", $1.label)) }),
    MetricFamily(
      "busgate_limit_hits", .counter, "How often a limit was hit; descriptors: the process may open no more.",
      ofGate: { text, gate in
        for limit in LimitName.allCases { text.value(gate.metrics.hits(of: limit), of: gate, ("limit", limit.name)) }
      }),
    MetricFamily(
      "busgate_bus_connects", .counter, "Attempts to connect to the bus.",
      ofGate: { text, gate in
        text.value(gate.metrics.busConnects, of: gate, ("result", "ok"))
        text.value(gate.metrics.busConnectFailures, of: gate, ("result", "failed"))
      }),
    MetricFamily("busgate_reloads", .counter, "Reloads of the configuration; a refused one changed nothing.") { text, server in
      text.value(server.metrics.reloads, ("result", "ok"))
      text.value(server.metrics.refusedReloads, ("result", "refused"))
    },
    MetricFamily("busgate_last_reload_successful", .gauge, "Whether the last reload was not refused; 1 before any.") {
      $0.value($1.metrics.isLastReloadRefused ? 0 : 1)
    },
    MetricFamily("busgate_log_lines_lost", .counter, "Lines of the log that its reader was too slow for.") {
      $0.value($1.io.log.lostCount)
    },
    MetricFamily("busgate_buffers_lent", .gauge, "Read buffers of 256 KiB that hold bytes on their way to a slow receiver.") {
      $0.value(UInt64($1.io.pool.lentCount))
    },
    MetricFamily(
      "busgate_wakeup_duration_seconds", .histogram, unit: "seconds",
      "From the moment the gate learns that something is ready until all of that is dealt with: what the gate adds to a message."
    ) { $0.value($1.metrics.wakeups) },
  ]

  // MARK: Values by several labels

  @Sendable
  private static func writeMessages(_ text: inout Exposition, _ gate: GateFigures) {
    for side in [Side.client, .bus] {
      for type in 1...SessionCounters.typeCount {
        for (verdict, word) in [(Verdict.Action.allow, "allow"), (.deny, "deny"), (.drop, "drop"), (.audit, "audit")] {
          let count = gate.metrics.sessions.messages(from: side, verdict, type: type % SessionCounters.typeCount)
          text.value(
            count, of: gate, ("direction", self.word(side)), ("type", typeNames[type - 1]), ("verdict", word))
        }
      }
    }
  }

  @Sendable
  private static func writeMessageBytes(_ text: inout Exposition, _ gate: GateFigures) {
    for side in [Side.client, .bus] {
      for (forwarded, word) in [(true, "forwarded"), (false, "skipped")] {
        let count = gate.metrics.sessions.bytes(from: side, forwarded: forwarded)
        text.value(count, of: gate, ("direction", self.word(side)), ("outcome", word))
      }
    }
  }

  @Sendable
  private static func writeDenials(_ text: inout Exposition, _ gate: GateFigures) {
    for side in [Side.client, .bus] {
      for reason in Verdict.Reason.allCases where reason.refuses {
        let count = gate.metrics.sessions.refusals(from: side, reason)
        text.value(count, of: gate, ("direction", word(side)), ("reason", reason.word))
      }
    }
  }

  private static func word(_ side: Side) -> String { side == .client ? "outgoing" : "incoming" }

  /// The types as the decision log calls them, from 1 on; the last is every other.
  private static let typeNames = ["method_call", "method_return", "error", "signal", "unknown"]
}
