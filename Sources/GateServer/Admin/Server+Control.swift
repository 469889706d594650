// The control socket's answers. What can be asked stands in ControlRequest.swift.

import GatePolicy
import GateSession
import Glibc

extension Server {
  /// Answers requests of the gate's own user and of root on a Unix socket of mode 0600.
  public mutating func serveControl(path: String) throws(ListenFailure) { try listen(for: .control, path: path, mode: 0o600) }

  /// Connections that an answer to `status` lists at most: some 60 KB.
  private static let listedMax = 256

  /// Answers the line at the front of the client's input, if there is one.
  func answerControl(_ client: inout AdminClient) {
    if !ControlRequest.isComplete(client.input, isAtEnd: client.isAtEnd) { return }
    guard let end = client.input.firstIndex(of: UInt8(ascii: "\n")) ?? (client.isAtEnd ? client.input.count : nil) else {
      client.input = []
      client.closesAfterOutput = true
      refuse("a request has at most \(ControlRequest.byteCountMax) bytes", &client)
      return
    }
    let line = client.input[..<end]
    client.input.removeFirst(min(end + 1, client.input.count))
    let request: ControlRequest
    do throws(ControlRequest.Refusal) {
      request = try ControlRequest.parse(line)
    } catch {
      refuse(error.text, &client)
      return
    }
    switch request.command {
    case .help: writeHelp(&client)
    case .status: writeStatus(&client)
    case .policy: listPolicy(request.gate, &client)
    }
  }

  private func answer(_ client: inout AdminClient, _ body: (inout JSONWriter) -> Void) {
    var json = JSONWriter()
    json.object(body)
    json.endLine()
    client.output = json.text
  }

  private func refuse(_ text: String, _ client: inout AdminClient) {
    answer(&client) { json in
      json.member("error", text)
      json.key("commands")
      json.array { json in
        for command in ControlRequest.Command.allCases { json.value(command.rawValue) }
      }
    }
  }

  private func writeHelp(_ client: inout AdminClient) {
    answer(&client) { json in
      json.key("commands")
      json.object { json in
        for command in ControlRequest.Command.allCases {
          json.key(command.rawValue)
          json.value(command.help)
        }
      }
    }
  }

  private func listPolicy(_ label: String?, _ client: inout AdminClient) {
    let listed = gates.filter { label == nil || $0.options.label == label }.map { ($0.options.label, $0.policy) }
    if let label, listed.isEmpty {
      refuse("there is no gate \"\(label)\", expected one of \(gates.map(\.options.label).joined(separator: ", "))", &client)
    } else {
      client.listing = PolicyListing(listed)
    }
  }

  // MARK: Status

  private func writeStatus(_ client: inout AdminClient) {
    let figures = figures()
    answer(&client) { json in
      json.member("version", version)
      json.member("pid", getpid())
      json.member("started", WallClock.text(metrics.startedAt))
      json.member("uptime-seconds", (now.milliseconds - min(now.milliseconds, metrics.started.milliseconds)) / 1000)
      json.key("reloads")
      json.object { json in
        json.member("ok", metrics.reloads)
        json.member("refused", metrics.refusedReloads)
      }
      json.member("log-lines-lost", log.lostCount)
      json.member("buffers-lent", pool.lentCount)
      json.key("gates")
      json.array { json in
        for (gate, figures) in zip(gates, figures) { write(gate, figures, &json) }
      }
      json.key("connections")
      var listed = 0
      json.array { json in
        unsafe forEachConnection { slot in
          if listed < Self.listedMax { unsafe write(slot, &json) }
          listed += 1
        }
      }
      json.member("more", max(0, listed - Self.listedMax))
    }
  }

  private func write(_ gate: Gate, _ figures: GateFigures, _ json: inout JSONWriter) {
    json.object { json in
      json.member("gate", gate.options.label)
      json.member("listening", gate.listener.name)
      json.member("bus", gate.options.bus.address)
      json.member("rules", gate.policy.rules.count)
      json.member("connections", gate.connectionCount)
      json.member("accepted", figures.metrics.accepted)
      json.member("unauthenticated", gate.unauthenticatedCount)
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

  private func write(_ slot: UnsafeMutablePointer<Connection>, _ json: inout JSONWriter) {
    json.object { json in
      json.member("connection", unsafe slot.pointee.number)
      json.member("gate", unsafe gates[slot.pointee.gate].options.label)
      if let peer = unsafe slot.pointee.peer {
        json.member("pid", peer.pid)
        json.member("uid", peer.uid)
      }
      json.member("name", unsafe slot.pointee.session.name)
      let age = unsafe slot.pointee.since.milliseconds - min(slot.pointee.since.milliseconds, metrics.started.milliseconds)
      json.member("since", WallClock.text(metrics.startedAt + age))
      json.member("state", unsafe Self.state(slot))
      json.member("allowed", unsafe slot.pointee.session.counters.allowed)
      json.member("denied", unsafe slot.pointee.session.counters.denied)
      unsafe writePending(slot.pointee.session.pendingReplies(.outgoing), slot.pointee.session.pendingReplies(.incoming), &json)
    }
  }

  private func writePending(_ outgoing: Int, _ incoming: Int, _ json: inout JSONWriter) {
    json.key("pending-replies")
    json.object { json in
      json.member("outgoing", outgoing)
      json.member("incoming", incoming)
    }
  }

  private static func state(_ slot: UnsafeMutablePointer<Connection>) -> String {
    if unsafe slot.pointee.closing != .none { return "closing" }
    if unsafe slot.pointee.session.isAuthenticating { return "authenticating" }
    if unsafe slot.pointee.session.isOpen { return "open" }
    return unsafe slot.pointee.bus.fd < 0 ? "waiting-for-bus" : "connecting"
  }
}
