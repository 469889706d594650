// Metrics: counting what only the server sees, and answering scrapes. Nothing is kept for a scrape: the numbers of the sessions
// are added up when one comes.

import CLinux
import GateSession

extension Server {
  /// Answers scrapes on a Unix socket: HTTP/1.1, `GET /metrics`.
  ///
  /// - Parameter mode: Permissions of the socket's file.
  /// - Parameter replacesHalfMade: as ``SocketFileOptions/replacesHalfMade``.
  public mutating func serveMetrics(
    path: String, mode: UInt32 = 0o600, replacesHalfMade: Bool = false
  ) throws(ListenFailure) {
    try listen(for: .metrics, path: path, mode: mode, replacesHalfMade: replacesHalfMade)
    metrics.timesWakeups = true
  }

  /// A reload was asked for; `succeeded` says whether it changed anything.
  public mutating func noteReload(succeeded: Bool) {
    if succeeded { metrics.reloads &+= 1 } else { metrics.refusedReloads &+= 1 }
  }

  // MARK: Answering

  /// Answers the request at the front of the client's input, if there is one.
  func answerHTTP(_ client: AdminClient) {
    let time = WallClock.milliseconds()
    switch HTTPRequest.read(client.input) {
    case .incomplete: return
    case .refused(let status):
      client.input = []
      client.output = HTTPResponse.error(status, now: time)
      client.closesAfterOutput = true
    case .request(let request, let byteCount):
      client.input.removeFirst(byteCount)
      client.output = response(to: request, time)
      client.closesAfterOutput = !request.keepsAlive
    }
  }

  private func response(to request: HTTPRequest, _ time: UInt64) -> [UInt8] {
    let isHead = request.method == .head
    if request.path != "/metrics" {
      return HTTPResponse.error(.notFound, isHead: isHead, keepsAlive: request.keepsAlive, now: time)
    }
    if request.method == .other { return HTTPResponse.error(.methodNotAllowed, keepsAlive: request.keepsAlive, now: time) }
    return HTTPResponse.bytes(
      .ok, type: request.format.contentType, body: exposition(request.format), isHead: isHead, keepsAlive: request.keepsAlive,
      now: time)
  }

  // MARK: Values

  /// What a gate did and does, its live connections included.
  struct GateFigures {
    let gate: GateID
    let label: String
    var metrics: GateMetrics
    var isListening: Bool
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

  /// The figures of all gates. Looks at each connection once.
  func figures() -> [GateFigures] {
    var all: [GateFigures] = []
    var places = [Int](repeating: 0, count: gates.indexEnd)
    for gate in allGates {
      places[Int(gate.place.index)] = all.count
      all.append(
        GateFigures(
          gate: gate, label: gates[gate.place].label, metrics: gates[gate.place].metrics,
          isListening: gates[gate.place].listener != nil, connections: gates[gate.place].connectionCount,
          unauthenticated: gates[gate.place].unauthenticated.count))
    }
    for index in 0..<connections.indexEnd {
      guard let id = connections.id(at: index), connections[id].isLive else { continue }
      all[places[Int(connections[id].gate.place.index)]].add(connections[id])
    }
    return all
  }

  /// Every metric, each with all of its series from the start.
  func exposition(_ format: Exposition.Format) -> [UInt8] {
    var text = Exposition(format)
    let labeled = figures().map { ($0.label, $0) }
    text.begin(.build)
    text.value(1, ("version", version))
    text.begin(.startTime)
    text.value(milliseconds: metrics.startedAt)
    writeMessages(&text, labeled)
    writeConnections(&text, labeled)
    text.begin(.pendingReplies)
    for (label, figures) in labeled {
      text.value(UInt64(figures.pendingOutgoing), ("gate", label), ("direction", "outgoing"))
      text.value(UInt64(figures.pendingIncoming), ("gate", label), ("direction", "incoming"))
    }
    text.begin(.limitHits)
    for (label, figures) in labeled {
      for limit in LimitName.allCases { text.value(figures.metrics.hits(of: limit), ("gate", label), ("limit", limit.name)) }
    }
    text.begin(.busConnects)
    for (label, figures) in labeled {
      text.value(figures.metrics.busConnects, ("gate", label), ("result", "ok"))
      text.value(figures.metrics.busConnectFailures, ("gate", label), ("result", "failed"))
    }
    text.begin(.reloads)
    text.value(metrics.reloads, ("result", "ok"))
    text.value(metrics.refusedReloads, ("result", "refused"))
    text.begin(.logLinesLost)
    text.value(io.log.lostCount)
    text.begin(.buffersLent)
    text.value(UInt64(io.pool.lentCount))
    text.begin(.wakeups)
    text.value(metrics.wakeups)
    text.end()
    return text.text
  }

  private typealias Labeled = [(label: String, figures: GateFigures)]

  private func writeMessages(_ text: inout Exposition, _ gates: Labeled) {
    let sides = [Side.client, .bus]
    text.begin(.messages)
    for (label, figures) in gates {
      for side in sides {
        for type in 1...SessionCounters.typeCount {
          for (verdict, word) in [(Verdict.Action.allow, "allow"), (.deny, "deny"), (.drop, "drop"), (.audit, "audit")] {
            let count = figures.metrics.sessions.messages(from: side, verdict, type: type % SessionCounters.typeCount)
            text.value(
              count, ("gate", label), ("direction", Self.word(side)), ("type", Self.typeNames[type - 1]), ("verdict", word))
          }
        }
      }
    }
    text.begin(.messageBytes)
    for (label, figures) in gates {
      for side in sides {
        for (forwarded, word) in [(true, "forwarded"), (false, "skipped")] {
          let count = figures.metrics.sessions.bytes(from: side, forwarded: forwarded)
          text.value(count, ("gate", label), ("direction", Self.word(side)), ("outcome", word))
        }
      }
    }
    text.begin(.denials)
    for (label, figures) in gates {
      for side in sides {
        for reason in Verdict.Reason.allCases where reason.refuses {
          let count = figures.metrics.sessions.refusals(from: side, reason)
          text.value(count, ("gate", label), ("direction", Self.word(side)), ("reason", reason.word))
        }
      }
    }
  }

  private static func word(_ side: Side) -> String { side == .client ? "outgoing" : "incoming" }

  /// The types as the decision log calls them, from 1 on; the last is every other.
  private static let typeNames = ["method_call", "method_return", "error", "signal", "unknown"]

  private func writeConnections(_ text: inout Exposition, _ labeled: Labeled) {
    text.begin(.listening)
    for (label, figures) in labeled { text.value(figures.isListening ? 1 : 0, ("gate", label)) }
    text.begin(.connections)
    for (label, figures) in labeled { text.value(UInt64(figures.connections), ("gate", label)) }
    text.begin(.accepted)
    for (label, figures) in labeled { text.value(figures.metrics.accepted, ("gate", label)) }
    text.begin(.closed)
    for (label, figures) in labeled {
      for end in ConnectionEnd.allCases {
        text.value(figures.metrics.ended[end.rawValue], ("gate", label), ("reason", end.word.description))
      }
    }
    text.begin(.unauthenticated)
    for (label, figures) in labeled { text.value(UInt64(figures.unauthenticated), ("gate", label)) }
    text.begin(.helloPending)
    for (label, figures) in labeled { text.value(UInt64(figures.helloPending), ("gate", label)) }
  }
}
