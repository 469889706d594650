// Metrics: counting what only the server sees, and answering scrapes. Nothing is kept for a scrape: the numbers of the sessions
// are added up when one comes.

import CLinux
import GateSession

extension Server {
  /// Answers scrapes and questions about health on a Unix socket: HTTP/1.1, `GET /metrics`, `GET /healthz`.
  ///
  /// - Parameter mode: Permissions of the socket's file.
  /// - Parameter replacesHalfMade: as ``SocketFileOptions/replacesHalfMade``.
  public mutating func serveMetrics(
    path: String, mode: UInt32 = 0o600, replacesHalfMade: Bool = false
  ) throws(ListenFailure) {
    try listen(for: .metrics, path: path, mode: mode, replacesHalfMade: replacesHalfMade)
    metrics.timesWakeups = true
    metrics.watchesBuses = true
    for index in 0..<buses.indexEnd {
      if let bus = buses.id(at: index) { awaitReach(bus) }
    }
  }

  /// A reload was asked for; `succeeded` says whether it changed anything.
  public mutating func noteReload(succeeded: Bool) {
    if succeeded { metrics.reloads &+= 1 } else { metrics.refusedReloads &+= 1 }
    metrics.isLastReloadRefused = !succeeded
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
    let (isMetrics, isHealth) = (request.path == "/metrics", request.path == "/healthz")
    if !isMetrics && !isHealth {
      return HTTPResponse.error(.notFound, isHead: isHead, keepsAlive: request.keepsAlive, now: time)
    }
    if request.method == .other { return HTTPResponse.error(.methodNotAllowed, keepsAlive: request.keepsAlive, now: time) }
    if isHealth {
      let (status, text) = health(askedFor: request.query)
      return HTTPResponse.bytes(status, body: Array(text.utf8), isHead: isHead, keepsAlive: request.keepsAlive, now: time)
    }
    return HTTPResponse.bytes(
      .ok, type: request.format.contentType, body: exposition(request.format), isHead: isHead, keepsAlive: request.keepsAlive,
      variesByFormat: true, now: time)
  }

  // MARK: Values

  /// The figures of all gates. Looks at each connection once.
  func figures() -> [GateFigures] {
    var all: [GateFigures] = []
    var places = [Int](repeating: 0, count: gates.indexEnd)
    for gate in allGates {
      places[Int(gate.place.index)] = all.count
      all.append(figures(of: gate))
    }
    for index in 0..<connections.indexEnd {
      guard let id = connections.id(at: index), connections[id].isLive else { continue }
      all[places[Int(connections[id].gate.place.index)]].add(connections[id])
    }
    return all
  }

  private func figures(of gate: GateID) -> GateFigures {
    let options = gates[gate.place].options
    return GateFigures(
      gate: gate, label: gates[gate.place].label, metrics: gates[gate.place].metrics,
      isListening: gates[gate.place].isListening, isEnforcing: options.settings.mode == .enforce,
      isBusReachable: !buses[gates[gate.place].bus].reach.hasFailed,
      isWell: gates[gate.place].isDraining || isWell(gate), connectionsMax: options.connectionsMax,
      unauthenticatedMax: options.unauthenticatedMax, pendingRepliesTotal: options.pendingRepliesTotal,
      connections: gates[gate.place].connectionCount, unauthenticated: gates[gate.place].unauthenticated.count)
  }

  /// Every metric.
  func exposition(_ format: Exposition.Format) -> [UInt8] {
    var text = Exposition(format, of: io.log.instance)
    let gates = figures()
    for family in MetricFamily.all {
      text.begin(family)
      family.write(&text, self, gates)
    }
    text.end()
    return text.text
  }
}
