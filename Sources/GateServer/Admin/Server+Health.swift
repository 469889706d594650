// How the gates are: `GET /healthz`. A gate is well if its socket accepts and the gate's own last try at its bus worked, or there was none. What clients do
// changes nothing: a gate that is full, or that clients have used up descriptors of, is told to be so and is well. Otherwise a container could have it
// restarted for all.

import GateSession

/// How a gate is.
struct GateHealth {
  let label: String
  /// What is wrong, a clause each; none: it is well.
  var faults: [String] = []
  /// What else whoever asks should know.
  var remarks: [String] = []

  /// One line, whatever is in the texts.
  var line: String {
    let told = faults.isEmpty ? "ok" : faults.joined(separator: "; ")
    let line = "\(label): \(told)" + (remarks.isEmpty ? "" : " (\(remarks.joined(separator: "; ")))")
    return PlainText.onOneLine(line)
  }
}

extension Server {
  /// The answer to a question about health.
  func health(askedFor query: String?) -> (HTTPStatus, String) {
    let gate: String?
    do throws(HealthQuery.Refusal) { gate = try HealthQuery(query).gate } catch { return (.badRequest, Self.plain(error.text)) }
    let all = allGates.filter { !gates[$0.place].isDraining }.map { health(of: $0) }
    let asked = all.filter { gate == nil || $0.label == gate }
    if let gate, asked.isEmpty {
      let labels = all.map(\.label).joined(separator: ", ")
      return (
        .notFound,
        Self.plain("there is no gate \(gate), expected \(labels.isEmpty ? "none: there are no gates" : "one of \(labels)")")
      )
    }
    return (asked.allSatisfy { $0.faults.isEmpty } ? .ok : .serviceUnavailable, asked.map { $0.line + "\n" }.joined())
  }

  /// A line, whatever is in it.
  private static func plain(_ text: String) -> String {
    PlainText.onOneLine(text) + "\n"
  }

  /// Whether its socket accepts, and its bus could be reached when that was last tried.
  func isWell(_ gate: GateID) -> Bool { gates[gate.place].isListening && !buses[gates[gate.place].bus].reach.hasFailed }

  /// How a gate is.
  func health(of gate: GateID) -> GateHealth {
    var health = GateHealth(label: gates[gate.place].label)
    if !gates[gate.place].isListening {
      health.faults.append("not listening" + (gates[gate.place].listenFailure.map { ": \($0)" } ?? ""))
    }
    let bus = gates[gate.place].bus
    if case .failed(let reason) = buses[bus].reach.state {
      health.faults.append("bus unreachable: \(reason) (last try \(age(buses[bus].reach.triedAt)) ago)")
    }
    if let hindrance = buses[bus].reach.hindrance { health.remarks.append("the bus could not be asked: \(hindrance)") }
    health.remarks += remarks(gate, bus)
    return health
  }

  /// What clients make of a gate.
  private func remarks(_ gate: GateID, _ bus: BusID) -> [String] {
    var remarks: [String] = []
    let options = gates[gate.place].options
    if gates[gate.place].connectionCount >= options.connectionsMax {
      remarks.append("full: \(options.connectionsMax) connections, further clients are closed")
    }
    if gates[gate.place].unauthenticated.count >= options.unauthenticatedMax {
      remarks.append("\(options.unauthenticatedMax) clients have not said Hello, further ones wait")
    }
    if buses[bus].connectionCount >= buses[bus].connectionsTotal {
      remarks.append("\(buses[bus].connectionsTotal) connections to the bus, further clients are closed")
    }
    if gates[gate.place].pausedUntil != nil { remarks.append("no descriptors are left, new clients wait") }
    let failed = gates[gate.place].metrics.busConnectFailures
    if failed > 0 { remarks.append("failed bus connections of clients since the start: \(failed)") }
    return remarks
  }

  private func age(_ instant: Instant?) -> String {
    let since = instant?.milliseconds ?? io.now.milliseconds
    return "\((io.now.milliseconds - min(io.now.milliseconds, since)) / 1000) s"
  }
}
