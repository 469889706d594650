// Connections as the server sees them: it wakes them, and after the wake-up acts on what they want of others.

import GateSession
import Glibc

extension Server {
  /// Deals with what epoll said about one socket of a connection.
  @inline(__always)
  mutating func handle(_ id: ConnectionID, _ side: Side, _ events: UInt32) {
    if !connections.contains(id) { return }
    let turn = connections[id].wake(side, events, &gates[connections[id].gate.place], &io)
    if turn != .over { goOn(id, side, turn) }
    if io.splicePool.expiry != nil { noteLook(at: io.splicePool.expiry) }
  }

  /// A connection's turn is not over yet.
  @inline(never)
  private mutating func goOn(_ id: ConnectionID, _ side: Side, _ turn: Connection.Turn) {
    let gate = connections[id].gate.place
    if turn == .toDecide {
      hearObserver(gates[gate].bus)
      if connections[id].decide(from: side, &gates[gate], &io) == .over { return }
    }
    noteMoreThanForwarding()
    settle(id)
  }

  /// Does what became possible for a connection, and asks the kernel about what it waits for now.
  mutating func settle(_ id: ConnectionID) {
    let gate = connections[id].gate.place
    if gates[gate].followsNames && connections[id].mayResumeClient { hearObserver(gates[gate].bus) }
    connections[id].finishTurn(&gates[gate], &io)
  }

  /// Acts on what connections, buses and gates want, until nothing does.
  @inline(__always)
  mutating func act() {
    if !(io.eventful.isEmpty && busesToSee.isEmpty && draining.isEmpty) { actOnAll() }
  }

  @inline(never)
  private mutating func actOnAll() {
    var (acted, finished) = (0, 0)
    while true {
      if acted < io.eventful.count {
        fulfil(io.eventful[acted])
        acted += 1
      } else if let bus = busesToSee.popLast() {
        see(to: bus)
      } else if finished < acted {
        let id = io.eventful[finished]
        finished += 1
        if connections.contains(id) && connections[id].awaitsServer { settle(id) }
      } else if draining.isEmpty || !forgetDrained() {
        break
      }
    }
    if acted > 0 { io.eventful.removeAll(keepingCapacity: true) }
  }

  private mutating func fulfil(_ id: ConnectionID) {
    if !connections.contains(id) { return }
    let events = connections[id].takeEvents()
    let gate = connections[id].gate
    let bus = gates[gate.place].bus
    if events.contains(.busGone) { forgetIdentity(of: bus) }
    if events.contains(.ended) {
      forget(id, gate, bus)
      return
    }
    if events.contains(.progressed) && connections[id].isUnauthenticated {
      gates[gate.place].unauthenticated.append(id, in: &connections, at: io.now)
    }
    if events.contains(.registered) { leaveUnauthenticated(id, gate) }
    if events.contains(.busConnected) { busIsThere(bus) }
    if events.contains(.busKnown) { learn(from: id, bus) }
    if events.contains(.helloDone) { givePlace(of: id, bus) }
    if events.contains(.connectFailed) { connectAgain(id, bus) }
    if events.contains(.identifyBus) { identifyBus(id, bus) }
    if events.contains(.connectBus) { connectBus(id, gate, bus) }
  }

  private mutating func leaveUnauthenticated(_ id: ConnectionID, _ gate: GateID) {
    gates[gate.place].unauthenticated.remove(id, in: &connections)
    noteRoom(gate)
  }

  /// A connection is over.
  private mutating func forget(_ id: ConnectionID, _ gate: GateID, _ bus: BusID) {
    leaveUnauthenticated(id, gate)
    givePlace(of: id, bus)
    if connections[id].busLink != .none { leaveBus(bus) }
    connections.remove(id)
    resumeAccepting()
  }

  /// Ends what has taken too long. All connections are looked at, but only when the earliest deadline has passed.
  mutating func expireConnections() {
    io.splicePool.expire(at: io.now)
    if !io.deadline.isDue(at: io.now) { return }
    io.deadline.clear()
    for index in 0..<connections.indexEnd {
      guard let id = connections.id(at: index) else { continue }
      if connections[id].expire(&gates[connections[id].gate.place], &io) { settle(id) }
    }
  }
}
