// Connections to the buses: when they are opened, how many at a time, and what is remembered of a bus.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Milliseconds until a connect that found the bus busy is tried again.
  static let retryInterval: UInt64 = 10

  /// The bus that a gate with these options has; a new one if no gate had it yet.
  mutating func bus(for options: GateOptions) -> BusID {
    for index in 0..<buses.indexEnd {
      guard let id = buses.id(at: index), buses[id].endpoint.address == options.bus.address else { continue }
      buses[id].add(options)
      return id
    }
    let timer = addTimer { _, _, _ in }
    let bus = buses.insert { _ in Bus(options, timer: timer) }
    sources.setHandler(of: timer) { server, _, _ in server.seeSoon(to: bus) }
    buses[bus].add(options)
    return bus
  }

  /// A gate that had the bus is gone. The last one takes the bus with it.
  mutating func leave(_ bus: BusID) {
    buses[bus].forgetGates()
    for gate in allGates where gates[gate.place].bus == bus { buses[bus].add(gates[gate.place].options) }
    if buses[bus].gateCount > 0 {
      policiesChanged(ofBus: bus)
      return
    }
    endProbe(bus)
    closeObserver(bus)
    sources.remove(buses[bus].timer)
    buses.remove(bus)
  }

  /// Has the bus seen to before the loop waits again.
  mutating func seeSoon(to bus: BusID) {
    if !buses.contains(bus) || buses[bus].isToSee { return }
    buses[bus].isToSee = true
    busesToSee.append(bus)
    noteMoreThanForwarding()
  }

  /// Does what is due at a bus, and what has become possible there.
  mutating func see(to bus: BusID) {
    if !buses.contains(bus) { return }
    buses[bus].isToSee = false
    if let at = buses[bus].retryAt, io.now >= at {
      buses[bus].retryAt = nil
      if !buses[bus].waitingForIdentity.isEmpty { probe(bus) }
    }
    if let at = buses[bus].reach.retryAt, io.now >= at { probeAgain(bus) }
    expireProbe(bus)
    seeToObserver(of: bus)
    connectWaiting(bus)
    schedule(bus)
  }

  /// Has the loop look at the bus when something is due there.
  mutating func schedule(_ bus: BusID) {
    sources.setDeadline(buses[bus].timer, buses[bus].deadline)
    // It may come of hearing the observer, and then mere forwarding.
    noteMoreThanForwarding()
  }

  /// The bus went away, or is another one: the next client asks anew who it is.
  mutating func forgetIdentity(of bus: BusID) { buses[bus].knownBus = nil }

  // MARK: Places at the bus

  /// The connection wants its connection to the bus, and waits for its turn.
  mutating func connectBus(_ id: ConnectionID, _ gate: GateID, _ bus: BusID) {
    if buses[bus].helloPendingCount >= buses[bus].helloPendingMax {
      gates[gate.place].metrics.hit(.helloPendingMax)
      io.log.limit(.helloPendingMax, gates[gate.place].log, "further clients wait until the bus has answered a Hello")
    }
    buses[bus].waitingForBus.append(id)
    seeSoon(to: bus)
  }

  /// The connection has its Hello, or its bus is gone: the next one may be opened.
  mutating func givePlace(of id: ConnectionID, _ bus: BusID) {
    if !connections[id].countsAsHelloPending { return }
    connections[id].countsAsHelloPending = false
    buses[bus].helloPendingCount -= 1
    if !buses[bus].waitingForBus.isEmpty { seeSoon(to: bus) }
  }

  /// One connection to the bus less.
  mutating func leaveBus(_ bus: BusID) {
    buses[bus].connectionCount -= 1
    if !buses[bus].keepsIdentity { forgetIdentity(of: bus) }
    if !buses[bus].waitingForBus.isEmpty { seeSoon(to: bus) }
  }

  /// Opens the connections to the bus that wait for their turn, as far as there is room.
  private mutating func connectWaiting(_ bus: BusID) {
    var taken = 0
    while taken < buses[bus].waitingForBus.count && buses[bus].mayOpen {
      if open(buses[bus].waitingForBus[taken], bus) { taken += 1 }
    }
    if taken > 0 { buses[bus].waitingForBus.removeFirst(taken) }
  }

  /// Opens the connection to the bus for one that waits. False: the bus is busy.
  private mutating func open(_ id: ConnectionID, _ bus: BusID) -> Bool {
    guard connections.contains(id), connections[id].isLive else { return true }
    let gate = connections[id].gate
    if connections[id].leavesUnannounced {
      connections[id].close(&gates[gate.place], &io)
    } else if buses[bus].connectionCount >= buses[bus].connectionsTotal {
      reject(id, gate, bus)
    } else {
      return link(id, gate, bus, from: 0)
    }
    return true
  }

  /// Opens the connection, and gives the session its socket. False: the bus is busy.
  private mutating func link(_ id: ConnectionID, _ gate: GateID, _ bus: BusID, from alternative: Int) -> Bool {
    let address = buses[bus].endpoint.address
    switch buses[bus].endpoint.connect(from: alternative) {
    case .busy:
      buses[bus].retryAt = io.now.advanced(byMilliseconds: Self.retryInterval)
      return false
    case .failed(let number):
      // So when descriptors run out, too: clients that all wait for a second one would keep their first ones for ever.
      connections[id].refuse(SystemError("cannot connect to the bus at \(address)", number), &gates[gate.place], &io)
      return true
    case .connected(let opened):
      if gates[gate.place].listener?.isOther(end: opened.fd) ?? false {
        closeDescriptor(opened.fd)
        let error = SystemError("cannot connect to the bus at \(address)", -ELOOP, hint: "it is the gate's own socket")
        connections[id].refuse(error, &gates[gate.place], &io)
        return true
      }
      take(opened, until: nil, id, gate, bus)
    case .inProgress(let opened):
      take(opened, until: io.now.advanced(byMilliseconds: buses[bus].helloTimeout), id, gate, bus)
    }
    return true
  }

  private mutating func take(
    _ opened: BusEndpoint.Opened, until limit: Instant?, _ id: ConnectionID, _ gate: GateID, _ bus: BusID
  ) {
    connections[id].takeBus(opened, saysUID: buses[bus].saysUID, until: limit, &gates[gate.place], &io)
    if connections[id].busLink == .none { return }  // refused
    buses[bus].connectionCount += 1
    buses[bus].helloPendingCount += 1
    connections[id].countsAsHelloPending = true
    settle(id)
  }

  /// A connect in progress came to nothing: the next alternative is tried.
  mutating func connectAgain(_ id: ConnectionID, _ bus: BusID) {
    let gate = connections[id].gate
    let number = connections[id].takeConnectFailure()
    givePlace(of: id, bus)
    leaveBus(bus)
    let next = connections[id].busAlternative + 1
    if next < buses[bus].endpoint.alternativeCount {
      if !link(id, gate, bus, from: next) { connectBus(id, gate, bus) }
    } else {
      let error = SystemError("cannot connect to the bus at \(buses[bus].endpoint.address)", number)
      connections[id].refuse(error, &gates[gate.place], &io)
    }
  }

  /// There are as many connections to the bus as there may be, which leaves other processes of the user some.
  private mutating func reject(_ id: ConnectionID, _ gate: GateID, _ bus: BusID) {
    gates[gate.place].metrics.hit(.busConnectionsTotal)
    io.log.limit(
      .busConnectionsTotal, gates[gate.place].log,
      "a client was turned away, there are \(buses[bus].connectionsTotal) connections to \(buses[bus].endpoint.address)")
    connections[id].end = .busConnectionsTotal
    connections[id].close(&gates[gate.place], &io)
  }

  // MARK: What is known of the bus

  /// A connection's bus has said who it is.
  mutating func learn(from id: ConnectionID, _ bus: BusID) {
    guard let identity = connections[id].session.bus else { return }
    buses[bus].knownBus = identity
    leadObserver(bus, to: identity)
  }

  /// The connection wants to tell its client of the bus.
  mutating func identifyBus(_ id: ConnectionID, _ bus: BusID) {
    if let known = buses[bus].knownBus {
      tell(id, known)
      return
    }
    buses[bus].waitingForIdentity.append(id)
    probe(bus)
  }

  /// Tells a connection which bus it is.
  mutating func tell(_ id: ConnectionID, _ identity: BusIdentity) {
    connections[id].busIdentified(identity, &gates[connections[id].gate.place], &io)
    settle(id)
  }
}
