// Gates come and go. One that goes drains first: nothing more is accepted, nothing is read but the rest of messages that are half delivered, and
// what was allowed is still delivered.

import GatePolicy
import GateSession
import Glibc

extension Server {
  /// A socket that can't be had is tried again after so many milliseconds; one that another gate is just making, after so many.
  private static let listenPause: UInt64 = 1000
  private static let halfMadePause: UInt64 = 20

  /// Adds a gate, which accepts from then on. Throws `refused`, and changes nothing, if there is a gate of that label, one that drains too,
  /// if something else listens there, or after ``stop()``.
  ///
  /// - Parameter retrying: Whether a socket that can't be had is tried again every second, rather than thrown: the gate is there all the same,
  ///   ``listenFailure(ofGate:)`` says why it does not accept, and ``onListening`` is called when that changes.
  @discardableResult
  public mutating func addGate(_ options: GateOptions, retrying: Bool = false) throws(ListenFailure) -> GateID {
    if isStopping { throw .refused("the server is stopping") }
    if gate(called: options.label) != nil { throw .refused("there is a gate \(options.label) already") }
    beginCall()
    defer { finishCall() }
    let bus = bus(for: options)
    let source = addTimer { _, _, _ in }
    let gate = GateID(gates.insert { _ in Gate(options, bus: bus, log: io.log.addGate(options.label), source: source) })
    sources.setHandler(of: source) { server, _, events in server.handle(gate, events) }
    policiesChanged(ofBus: bus)
    do throws(ListenFailure) {
      try listen(gate)
    } catch {
      if !retrying {
        forget(gate)
        throw error
      }
      listenFailed(gate, error)
    }
    return gate
  }

  /// Whether the gate was not removed, or is still draining.
  public func hasGate(_ gate: GateID) -> Bool { gates.contains(gate.place) }

  /// Why a gate does not accept; nil: it does, or did. Precondition, here and below: ``hasGate(_:)``.
  public func listenFailure(ofGate gate: GateID) -> ListenFailure? { gates[gate.place].listenFailure }

  /// Where a gate listens; nil: it does not.
  public func listeningName(ofGate gate: GateID) -> String? { gates[gate.place].listener?.name }

  /// The address of a gate's bus, as it was given.
  public func busAddress(ofGate gate: GateID) -> String { gates[gate.place].options.bus.address }

  /// The policy in force at a gate.
  public func policy(ofGate gate: GateID) -> Policy { gates[gate.place].policy }

  /// Puts another policy in force, for every live connection too, from its next message on. Precondition: ``hasGate(_:)``.
  public mutating func setPolicy(_ policy: Policy, ofGate gate: GateID) {
    beginCall()
    defer { finishCall() }
    gates[gate.place].setPolicy(policy)
    policiesChanged(ofBus: gates[gate.place].bus)
    for index in 0..<connections.indexEnd {
      guard let id = connections.id(at: index), connections[id].gate == gate, connections[id].isLive else { continue }
      if let reason = connections[id].session.takeBack(under: policy) {
        connections[id].end(reason, &gates[gate.place], &io)
      } else if connections[id].session.localOutputCount(to: .bus) > 0 {
        settle(id)
      }
    }
  }

  /// Removes a gate: it accepts no more, and its socket's file goes. Clients are closed as soon as what they are still to get is delivered, at
  /// the latest after `milliseconds`; 0: at once. Until then ``hasGate(_:)``. A gate that is gone already stays so.
  public mutating func removeGate(_ gate: GateID, drain milliseconds: UInt64) {
    if !hasGate(gate) { return }
    beginCall()
    closeListener(gate)
    let longest = UInt64.max - io.now.milliseconds
    gates[gate.place].drain(until: io.now.advanced(byMilliseconds: min(milliseconds, longest)))
    schedule(gate)
    if !draining.contains(gate) { draining.append(gate) }
    forEachConnection(of: gate) { server, id in
      if milliseconds > 0 { server.settle(id) } else { server.connections[id].close(&server.gates[gate.place], &server.io) }
    }
    // In a handler too, or a gate that has nothing to deliver would keep its label until the handler is over.
    act()
    finishCall()
  }

  // MARK: Listening

  /// Something happened at a gate's listener, or something is due.
  private mutating func handle(_ gate: GateID, _ events: EventSource.Events) {
    if events.contains(.expired) { expire(gate) }
    if !hasGate(gate) || gates[gate.place].listener == nil { return }
    if events.contains(.readable) { accept(gate) }
    if events.contains(.hungUp) { closeToNewClients(gate) }
  }

  private mutating func expire(_ gate: GateID) {
    if let until = gates[gate.place].drainsUntil, io.now >= until {
      sayUndelivered(gate)
      finish(gate)
      return
    }
    if let at = gates[gate.place].listenAgainAt, io.now >= at { listenAgain(gate) }
    if !hasGate(gate) { return }  // onListening removed it
    acceptAgain(gate)
    schedule(gate)
  }

  /// Listens at last, if that is possible.
  private mutating func listen(_ gate: GateID) throws(ListenFailure) {
    let options = gates[gate.place].options
    let isLeft = options.socketFile.replacesHalfMade || gates[gate.place].halfMadePatience.isOver
    let listener = try ListeningSocket(options.address, options.socketFile, takesOverHalfMade: isLeft)
    let result = sources.attach(listener.fd, PollSet.readable, to: gates[gate.place].source)
    if result < 0 {
      listener.close()
      throw .system(SystemError("cannot watch \(listener.name)", result))
    }
    gates[gate.place].listener = listener
    gates[gate.place].listenFailure = nil
    gates[gate.place].listenAgainAt = nil
  }

  private mutating func listenFailed(_ gate: GateID, _ failure: ListenFailure) {
    let pause = failure.isHalfMade ? Self.halfMadePause : Self.listenPause
    gates[gate.place].halfMadePatience.note(failure)
    gates[gate.place].listenFailure = failure
    gates[gate.place].listenAgainAt = io.now.advanced(byMilliseconds: pause)
    schedule(gate)
  }

  private mutating func listenAgain(_ gate: GateID) {
    let before = gates[gate.place].listenFailure
    do throws(ListenFailure) { try listen(gate) } catch { listenFailed(gate, error) }
    if gates[gate.place].listenFailure != before {
      let tell = onListening
      tell(&self, gates[gate.place].label)
    }
  }

  private mutating func closeListener(_ gate: GateID) {
    // An inherited socket lives on in the service manager, so its events would too.
    sources.detach(gates[gate.place].source)
    gates[gate.place].listener?.close()
    gates[gate.place].listener = nil
    gates[gate.place].listenAgainAt = nil
  }

  /// Has the loop look at the gate when something is due there.
  mutating func schedule(_ gate: GateID) { sources.setDeadline(gates[gate.place].source, gates[gate.place].deadline) }

  // MARK: The end of a gate

  /// Logs that connections were not done when the time was over.
  private mutating func sayUndelivered(_ gate: GateID) {
    let count = gates[gate.place].connectionCount
    if count == 0 { return }
    gates[gate.place].metrics.hit(.drainTimeout)
    io.log.limit(.drainTimeout, gates[gate.place].log, "\(count) connections are closed that were not done")
  }

  /// Closes what is left. The gate is forgotten with its last connection.
  private mutating func finish(_ gate: GateID) {
    forEachConnection(of: gate) { server, id in server.connections[id].close(&server.gates[gate.place], &server.io) }
  }

  /// Forgets the gates that are draining and have no connections any more. Returns whether there were any: their buses are to be seen to.
  mutating func forgetDrained() -> Bool {
    let before = draining.count
    for gate in draining where gates[gate.place].connectionCount == 0 { forget(gate) }
    draining.removeAll { !gates.contains($0.place) }
    return draining.count < before
  }

  private mutating func forget(_ gate: GateID) {
    let (bus, source, log) = (gates[gate.place].bus, gates[gate.place].source, gates[gate.place].log)
    closeListener(gate)
    sources.remove(source)
    io.log.removeGate(log)
    gates.remove(gate.place)
    leave(bus)
  }

  // MARK: All of them

  /// The gate with a label; nil: there is none.
  public func gate(called label: String) -> GateID? {
    for index in 0..<gates.indexEnd {
      if let id = gates.id(at: index), gates[id].label == label { return GateID(id) }
    }
    return nil
  }

  /// All gates, those that drain too, in the order of their places.
  var allGates: [GateID] { (0..<gates.indexEnd).compactMap { gates.id(at: $0) }.map { GateID($0) } }

  /// Calls `body` with each connection of a gate.
  private mutating func forEachConnection(of gate: GateID, _ body: (inout Server, ConnectionID) -> Void) {
    for index in 0..<connections.indexEnd {
      if let id = connections.id(at: index), connections[id].gate == gate { body(&self, id) }
    }
  }
}
