// New clients: how many, and what happens when there are too many or the descriptors run out.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Clients accepted per wake-up, so that a storm of them does not keep the others waiting.
  private static let acceptsPerWakeup = 16
  /// Milliseconds that accepting pauses when descriptors ran out and no connection ends meanwhile.
  static let acceptPause: UInt64 = 500
  /// Milliseconds after which a client that has said nothing is evicted, if others wait.
  private static let silenceMax: UInt64 = 1000

  mutating func accept(_ gate: GateID) {
    for _ in 0..<Self.acceptsPerWakeup {
      guard let listener = gates[gate.place].listener, makesRoom(gate) else { return }
      let fd = clinux_accept(listener.fd)
      if fd >= 0 {
        accepted(fd, gate)
        continue
      }
      switch -fd {
      case EMFILE, ENFILE, ENOBUFS, ENOMEM:
        pauseAccepting(gate, SystemError("cannot accept a client of gate \(gates[gate.place].label)", fd))
        return
      case EINTR, ECONNABORTED: continue
      default: return
      }
    }
  }

  /// Another process that has an inherited socket too has shut it down, which epoll would report for ever.
  mutating func closeToNewClients(_ gate: GateID) {
    gates[gate.place].listenFailure = .refused("its socket was shut down by another process that has it")
    io.log.error(
      "gate \(gates[gate.place].label) accepts no more clients: its socket was shut down by another process that has it")
    sources.detach(gates[gate.place].source)
  }

  private mutating func accepted(_ fd: Int32, _ gate: GateID) {
    let most = gates[gate.place].options.connectionsMax
    if gates[gate.place].connectionCount >= most {
      closeDescriptor(fd)
      gates[gate.place].metrics.hit(.connectionsMax)
      io.log.limit(.connectionsMax, gates[gate.place].log, "a client was turned away, there are \(most)")
      return
    }
    let peer = gates[gate.place].listener.flatMap { PeerCredentials(of: fd, over: $0.transport) }
    // A client that may not connect is told REJECTED, as if the transport had no credentials.
    let isAdmitted = peer.map { gates[gate.place].admits($0.uid) } ?? false
    let settings = gates[gate.place].settings(for: peer?.uid)
    if let peer, !isAdmitted && !settings.allowsAnonymous {
      io.log.refused(peer, gates[gate.place].log, "the client is not among the users that may connect (allow-uid)")
    }
    let bus = gates[gate.place].bus
    let (known, owners, now) = (buses[bus].knownBus, buses[bus].observer.directory, io.now)
    let (budgets, log) = (gates[gate.place].callBudgets, gates[gate.place].log)
    let id = connections.insert { id, number in
      let session = Session(
        settings: settings, peerUID: isAdmitted ? peer?.uid : nil, ownUID: geteuid(), bus: known, owners: owners,
        budgets: budgets, at: now)
      let client = ClientIdentity(number: number, peer: peer, log: log, socket: fd)
      return Connection(id, gate: gate, client, socket: fd, session, at: now)
    }
    gates[gate.place].connectionCount += 1
    gates[gate.place].metrics.accepted &+= 1
    gates[gate.place].unauthenticated.append(id, in: &connections, at: io.now)
    let result = io.poll.add(fd, PollSet.readable, .connection(id, .client))
    if result < 0 {
      io.log.failure(&connections[id].client, "\(SystemError("cannot watch a client", result))")
      connections[id].close(&gates[gate.place], &io)
      return
    }
    connections[id].sockets[.client].interest = PollSet.readable
    if gates[gate.place].options.settings.logging == .everything { io.log.opened(&connections[id].client) }
    connections[id].noteDeadline(&io)
  }

  // MARK: Clients that have not said Hello

  /// Makes room for one more client. False: none waits, or those that do wait on.
  private mutating func makesRoom(_ gate: GateID) -> Bool {
    guard let listener = gates[gate.place].listener else { return false }
    if gates[gate.place].unauthenticated.count < gates[gate.place].options.unauthenticatedMax { return true }
    if clinux_is_asked(listener.fd) == 0 { return false }
    gates[gate.place].metrics.hit(.unauthenticatedMax)
    io.log.limit(
      .unauthenticatedMax, gates[gate.place].log,
      "further clients wait until one has said Hello; who says nothing for a second gives way")
    var lookAt = io.now.advanced(byMilliseconds: Self.silenceMax)
    for _ in 0..<gates[gate.place].unauthenticated.count {
      guard let silent = gates[gate.place].unauthenticated.oldest else { break }
      if case .bus = connections[silent].pipes[.client].wait {
        gates[gate.place].unauthenticated.append(silent, in: &connections, at: io.now)  // it waits for the bus
        continue
      }
      lookAt = connections[silent].unauthenticated.progressedAt.advanced(byMilliseconds: Self.silenceMax)
      if io.now < lookAt { break }
      gates[gate.place].unauthenticated.remove(silent, in: &connections)
      connections[silent].end = .evicted
      connections[silent].close(&gates[gate.place], &io)
      return true
    }
    gates[gate.place].fullUntil = lookAt
    watchListener(gate)
    schedule(gate)
    return false
  }

  /// Accepts again what had to wait, if what it waited for has passed.
  mutating func acceptAgain(_ gate: GateID) {
    if let at = gates[gate.place].fullUntil, io.now >= at { gates[gate.place].fullUntil = nil }
    if let at = gates[gate.place].pausedUntil, io.now >= at { gates[gate.place].pausedUntil = nil }
    watchListener(gate)
  }

  /// One client of the gate is not among those any more.
  mutating func noteRoom(_ gate: GateID) {
    if gates[gate.place].fullUntil == nil { return }
    gates[gate.place].fullUntil = nil
    watchListener(gate)
  }

  private mutating func watchListener(_ gate: GateID) {
    let waits = gates[gate.place].pausedUntil != nil || gates[gate.place].fullUntil != nil
    _ = sources.setInterest(gates[gate.place].source, waits ? 0 : PollSet.readable)
  }

  // MARK: Out of descriptors

  /// Stops accepting until a connection ends or a moment has passed. The clients that are there are served meanwhile.
  private mutating func pauseAccepting(_ gate: GateID, _ error: SystemError) {
    gates[gate.place].metrics.hit(.descriptors)
    io.log.limit(.descriptors, gates[gate.place].log, "\(error); accepting pauses")
    gates[gate.place].pausedUntil = io.now.advanced(byMilliseconds: Self.acceptPause)
    isAcceptingPaused = true
    watchListener(gate)
    schedule(gate)
  }

  /// A connection has ended: there are descriptors again.
  mutating func resumeAccepting() {
    if !isAcceptingPaused { return }
    isAcceptingPaused = false
    for gate in allGates where gates[gate.place].pausedUntil != nil {
      gates[gate.place].pausedUntil = nil
      watchListener(gate)
    }
    for listener in admin { listener.resumeAccepting(&self) }
  }
}
