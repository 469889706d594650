// Which bus it is. Clients are told the bus's GUID, and whether it takes descriptors, before they have sent anything that a
// connection of their own would be opened for. If no other connection to that bus is there to know it by, a connection of the
// gate's finds out, and closes at once. All clients that need the answer wait for the same one.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Finds out who the bus is.
  mutating func probe(_ bus: BusID, from alternative: Int = 0) {
    if buses[bus].probe != nil { return }
    let attempt = "cannot connect to the bus at \(buses[bus].endpoint.address)"
    switch buses[bus].endpoint.connect(from: alternative) {
    case .busy:
      buses[bus].retryAt = io.now.advanced(byMilliseconds: Self.retryInterval)
      schedule(bus)
    case .failed(let number):
      // So when descriptors run out, too: clients that all wait for another one would keep theirs for ever.
      refuseWaiting(bus, SystemError(attempt, number))
    case .connected(let opened):
      if isOwn(opened, bus) {
        closeDescriptor(opened.fd)
        refuseWaiting(bus, SystemError(attempt, -ELOOP, hint: "it is the gate's own socket"))
      } else {
        startProbe(opened, isConnecting: false, bus)
      }
    case .inProgress(let opened):
      startProbe(opened, isConnecting: true, bus)
    }
  }

  /// Whether a connection leads to one of the bus's gates: it would be a client of itself, for ever.
  func isOwn(_ opened: BusEndpoint.Opened, _ bus: BusID) -> Bool {
    allGates.contains { gates[$0.place].bus == bus && gates[$0.place].listener?.isOther(end: opened.fd) ?? false }
  }

  private mutating func startProbe(_ opened: BusEndpoint.Opened, isConnecting: Bool, _ bus: BusID) {
    let source: EventSource.ID
    do throws(SystemError) {
      source = try addSource(opened.fd, isConnecting ? PollSet.writable : PollSet.readable) { server, _, _ in
        server.handleProbe(bus)
      }
    } catch {
      closeDescriptor(opened.fd)
      refuseWaiting(bus, error)
      return
    }
    let deadline = io.now.advanced(byMilliseconds: buses[bus].helloTimeout)
    let probe = BusProbe(
      opened, isConnecting: isConnecting, allowsAnonymous: buses[bus].allowsAnonymous, saysUID: buses[bus].saysUID,
      source: source,
      deadline: deadline)
    guard var probe else {
      sources.remove(source)
      closeDescriptor(opened.fd)
      closeWaiting(bus, .handshake(.bus, .busTransportWithoutCredentials))
      return
    }
    let result = probe.start()
    buses[bus].probe = probe
    schedule(bus)
    if result < 0 {
      endProbe(bus)
      refuseWaiting(bus, SystemError("cannot ask the bus at \(buses[bus].endpoint.address) who it is", Int32(result)))
    }
  }

  private mutating func handleProbe(_ bus: BusID) {
    guard let outcome = buses[bus].probe?.handle(), let probe = buses[bus].probe else { return }
    switch outcome {
    case .pending: _ = sources.setInterest(probe.source, PollSet.readable)
    case .learnt(let identity): learn(bus, identity, probe)
    case .unconnected(let number): probeUnconnected(bus, probe, number)
    case .failed(let reason): probeFailed(bus, reason, saidUID: probe.saysUID)
    }
  }

  // MARK: What comes of it

  /// The gate's own last try came to nothing.
  mutating func noteUnreached(_ bus: BusID, _ error: SystemError) {
    buses[bus].reach.noteFailed(error, at: io.now)
    awaitReach(bus)
  }

  /// The same, where the bus is to blame.
  mutating func noteUnreached(_ bus: BusID, _ reason: String) {
    buses[bus].reach.noteFailed(reason, at: io.now)
    awaitReach(bus)
  }

  /// Has a bus tried again that the gate could not reach, if somebody may ask for its health: else that would be what it was until a client comes.
  mutating func awaitReach(_ bus: BusID) {
    if metrics.watchesBuses && buses[bus].reach.awaitsRetry { buses[bus].reach.postpone(from: io.now) }
    schedule(bus)
  }

  /// Tries again a bus that the gate could not reach, without a client that asks for it.
  mutating func probeAgain(_ bus: BusID) {
    buses[bus].reach.postpone(from: io.now)
    // The observer tries for itself.
    if buses[bus].observer.isOpen || buses[bus].observer.retryAt != nil { return }
    probe(bus)
  }

  private mutating func learn(_ bus: BusID, _ identity: BusIdentity, _ probe: BusProbe) {
    endProbe(bus)
    if let guid = buses[bus].endpoint.guid(ofAlternative: probe.opened.alternative, missedBy: identity) {
      let attempt = "the bus at \(buses[bus].endpoint.address) is another one"
      refuseWaiting(bus, SystemError(attempt, -EREMCHG, hint: "its GUID is not \(guid)"))
      return
    }
    buses[bus].reach.noteReached(at: io.now)
    if buses[bus].keepsIdentity { buses[bus].knownBus = identity }
    leadObserver(bus, to: identity)
    for id in takeWaiting(bus) { tell(id, identity) }
  }

  private mutating func probeUnconnected(_ bus: BusID, _ probe: BusProbe, _ number: Int32) {
    endProbe(bus)
    let next = probe.opened.alternative + 1
    if next < buses[bus].endpoint.alternativeCount {
      self.probe(bus, from: next)
    } else {
      refuseWaiting(bus, SystemError("cannot connect to the bus at \(buses[bus].endpoint.address)", number))
    }
  }

  private mutating func probeFailed(_ bus: BusID, _ reason: CloseReason, saidUID: Bool) {
    endProbe(bus)
    guard case .handshake(_, let failure) = reason else {
      closeWaiting(bus, reason)
      return
    }
    if case .busRejected = failure, saidUID {
      // The bus may be in another user namespace, where our uid is another one, which only the kernel knows.
      buses[bus].saysUID = false
      probe(bus)
      return
    }
    buses[bus].saysUID = true
    closeWaiting(bus, reason)
  }

  /// Ends a probe that has taken too long.
  mutating func expireProbe(_ bus: BusID) {
    guard let probe = buses[bus].probe, io.now >= probe.deadline else { return }
    endProbe(bus)
    closeWaiting(bus, .helloTimeout)
  }

  mutating func endProbe(_ bus: BusID) {
    guard let probe = buses[bus].probe else { return }
    sources.remove(probe.source)
    closeDescriptor(probe.opened.fd)
    buses[bus].probe = nil
  }

  // MARK: Who waits

  /// Ends the wait for the bus's identity: the connections that waited and are still there.
  private mutating func takeWaiting(_ bus: BusID) -> [ConnectionID] {
    let waiting = buses[bus].waitingForIdentity.filter { connections.contains($0) && connections[$0].isLive }
    buses[bus].waitingForIdentity = []
    return waiting
  }

  private mutating func refuseWaiting(_ bus: BusID, _ error: SystemError) {
    noteUnreached(bus, error)
    for id in takeWaiting(bus) { connections[id].refuse(error, &gates[connections[id].gate.place], &io) }
  }

  private mutating func closeWaiting(_ bus: BusID, _ reason: CloseReason) {
    noteUnreached(bus, "the bus at \(buses[bus].endpoint.address): \(reason)")
    forgetIdentity(of: bus)
    for id in takeWaiting(bus) { connections[id].busNotIdentified(reason, &gates[connections[id].gate.place], &io) }
  }
}
