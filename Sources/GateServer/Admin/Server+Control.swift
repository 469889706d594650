// The control socket's answers. What can be asked stands in ControlRequest.swift.

import GatePolicy
import GateSession
import Glibc

extension Server {
  /// Answers requests of the gate's own user and of root on a Unix socket of mode 0600.
  ///
  /// - Parameter replacesHalfMade: as ``SocketFileOptions/replacesHalfMade``.
  public mutating func serveControl(path: String, replacesHalfMade: Bool = false) throws(ListenFailure) {
    try listen(for: .control, path: path, mode: 0o600, replacesHalfMade: replacesHalfMade)
  }

  /// Connections that an answer to `status` lists at most: some 60 KB.
  private static let listedMax = 256

  /// Answers the line at the front of the client's input, if there is one.
  mutating func answerControl(_ client: AdminClient) {
    if !ControlRequest.isComplete(client.input, isAtEnd: client.isAtEnd) { return }
    guard let end = client.input.firstIndex(of: UInt8(ascii: "\n")) ?? (client.isAtEnd ? client.input.count : nil) else {
      client.input = []
      client.closesAfterOutput = true
      refuse("a request has at most \(ControlRequest.byteCountMax) bytes", client)
      return
    }
    let line = client.input[..<end]
    client.input.removeFirst(min(end + 1, client.input.count))
    let request: ControlRequest
    do throws(ControlRequest.Refusal) {
      request = try ControlRequest.parse(line)
    } catch {
      refuse(error.text, client)
      return
    }
    switch request.command {
    case .help: writeHelp(client)
    case .status: writeStatus(client)
    case .policy: listPolicy(request.gate, client)
    case .reload:
      if !askForReload(for: client) {
        refuse("this gate has no configuration to read again: whoever started it gives it its rules", client)
      }
    }
  }

  private func answer(_ client: AdminClient, _ body: (inout JSONWriter) -> Void) {
    var json = JSONWriter()
    json.object(body)
    json.endLine()
    client.output = json.text
  }

  private func refuse(_ text: String, _ client: AdminClient) {
    answer(client) { json in
      json.member("error", text)
      json.key("commands")
      json.array { json in
        for command in ControlRequest.Command.allCases { json.value(command.rawValue) }
      }
    }
  }

  private func writeHelp(_ client: AdminClient) {
    answer(client) { json in
      json.key("commands")
      json.object { json in
        for command in ControlRequest.Command.allCases {
          json.key(command.rawValue)
          json.value(command.help)
        }
      }
    }
  }

  private func listPolicy(_ label: String?, _ client: AdminClient) {
    let all = allGates.map { (gates[$0.place].label, gates[$0.place].policy) }
    let listed = all.filter { label == nil || $0.0 == label }
    if let label, listed.isEmpty {
      refuse("there is no gate \"\(label)\", expected one of \(all.map(\.0).joined(separator: ", "))", client)
    } else {
      client.listing = PolicyListing(listed)
    }
  }

  // MARK: Status

  private func writeStatus(_ client: AdminClient) {
    let figures = figures()
    answer(client) { json in
      json.member("version", version)
      if let instance = io.log.instance { json.member("instance", instance.description) }
      json.member("pid", getpid())
      json.member("started", WallClock.text(metrics.startedAt))
      json.member("uptime-seconds", (io.now.milliseconds - min(io.now.milliseconds, metrics.started.milliseconds)) / 1000)
      json.key("reloads")
      json.object { json in
        json.member("ok", metrics.reloads)
        json.member("refused", metrics.refusedReloads)
      }
      json.member("log-lines-lost", io.log.lostCount)
      json.member("buffers-lent", io.pool.lentCount)
      json.key("gates")
      json.array { json in
        for figures in figures { write(figures, &json) }
      }
      json.key("connections")
      json.array { json in
        var listed = 0
        for index in 0..<connections.indexEnd where listed < Self.listedMax {
          guard let id = connections.id(at: index) else { continue }
          write(connections[id], &json)
          listed += 1
        }
      }
      json.member("more", max(0, connections.count - Self.listedMax))
    }
  }

  private func write(_ figures: GateFigures, _ json: inout JSONWriter) {
    let gate = figures.gate.place
    json.object { json in
      json.member("gate", figures.label)
      if let name = gates[gate].listener?.name { json.member("listening", name) }
      if let failure = gates[gate].listenFailure { json.member("not-listening", "\(failure)") }
      json.member("bus", gates[gate].options.bus.address)
      json.member("rules", gates[gate].policy.rules.count)
      json.member("mode", figures.isEnforcing ? "enforce" : "audit")
      json.member("connections", gates[gate].connectionCount)
      json.member("accepted", figures.metrics.accepted)
      json.member("unauthenticated", gates[gate].unauthenticated.count)
      json.member("hello-pending", figures.helloPending)
      json.member("allowed", figures.metrics.sessions.allowed)
      json.member("denied", figures.metrics.sessions.denied)
      writePending(figures.pendingOutgoing, figures.pendingIncoming, &json)
      json.key("bus-connects")
      json.object { json in
        json.member("ok", figures.metrics.busConnects)
        json.member("failed", figures.metrics.busConnectFailures)
      }
      json.key("limits-hit")
      json.object { json in
        for limit in LimitName.allCases where figures.metrics.hits(of: limit) > 0 {
          json.key(limit.name)
          json.value(figures.metrics.hits(of: limit))
        }
      }
    }
  }

  private func write(_ connection: borrowing Connection, _ json: inout JSONWriter) {
    json.object { json in
      json.member("connection", connection.client.number)
      json.member("gate", connection.client.log.label)
      if let peer = connection.client.peer {
        json.member("pid", peer.pid)
        json.member("uid", peer.uid)
      }
      json.member("name", connection.session.name)
      let age = connection.since.milliseconds - min(connection.since.milliseconds, metrics.started.milliseconds)
      json.member("since", WallClock.text(metrics.startedAt + age))
      json.member("state", connection.state)
      json.member("allowed", connection.session.counters.allowed)
      json.member("denied", connection.session.counters.denied)
      writePending(connection.session.pendingReplies(.outgoing), connection.session.pendingReplies(.incoming), &json)
    }
  }

  private func writePending(_ outgoing: Int, _ incoming: Int, _ json: inout JSONWriter) {
    json.key("pending-replies")
    json.object { json in
      json.member("outgoing", outgoing)
      json.member("incoming", incoming)
    }
  }
}

extension Connection {
  /// How far it is, in a word.
  fileprivate var state: String {
    if closing != .none { return "closing" }
    if session.isAuthenticating { return "authenticating" }
    if session.isOpen { return "open" }
    return busLink == .none ? "waiting-for-bus" : "connecting"
  }
}
