// New clients: how many, and what happens when there are too many or the descriptors run out.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Clients accepted per wake-up, so that a storm of them does not keep the others waiting.
  private static let acceptsPerWakeup = 16
  /// Milliseconds that accepting pauses when descriptors ran out and no connection ends meanwhile.
  private static let pause: UInt64 = 500

  mutating func accept(gate: Int) {
    for _ in 0..<Self.acceptsPerWakeup {
      if !makesRoom(gate) { return }
      let fd = clinux_accept(gates[gate].listener.fd)
      if fd >= 0 {
        accepted(fd, gate: gate)
        continue
      }
      switch -fd {
      case EMFILE, ENFILE, ENOBUFS, ENOMEM:
        pauseAccepting(gate: gate, SystemError("cannot accept a client of gate \(gates[gate].options.label)", fd))
        return
      case EINTR, ECONNABORTED: continue
      default: return
      }
    }
  }

  /// Another process that has an inherited socket too has shut it down, which epoll would report for ever.
  func closeToNewClients(gate: Int) {
    log.error(
      "gate \(gates[gate].options.label) accepts no more clients: its socket was shut down by another process that has it")
    _ = clinux_epoll_control(epoll, EPOLL_CTL_DEL, gates[gate].listener.fd, 0, 0)
  }

  private mutating func accepted(_ fd: Int32, gate: Int) {
    let options = gates[gate].options
    if gates[gate].connectionCount >= options.connectionsMax {
      closeDescriptor(fd)
      hit(.connectionsMax, gate: gate)
      log.limit(.connectionsMax, gate: gate, "a client was turned away, there are \(options.connectionsMax)")
      return
    }
    let peer = PeerCredentials(of: fd, over: gates[gate].listener.transport)
    // A client that may not connect is told REJECTED, as if the transport had no credentials.
    let isAdmitted = peer.map { gates[gate].admits($0.uid) } ?? false
    var settings = options.settings
    settings.matchesTotal = gates[gate].matchesTotal
    settings.namesTotal = gates[gate].namesTotal
    settings.clientTransport = gates[gate].listener.transport
    settings.allowsAnonymous = gates[gate].admitsAnonymous(peer?.uid)
    if let peer, !isAdmitted && !settings.allowsAnonymous {
      log.refused(peer, gate: gate, "the client is not among the users that may connect (allow-uid)")
    }
    let session = Session(
      settings: settings, peerUID: isAdmitted ? peer?.uid : nil, ownUID: geteuid(), bus: buses[gates[gate].bus].knownBus,
      owners: buses[gates[gate].bus].observer.directory, budgets: gates[gate].callBudgets, at: now)
    let index = unsafe freeSlots.popLast() ?? slots.count
    if unsafe index == slots.count { unsafe slots.append(nil) }
    let slot = UnsafeMutablePointer<Connection>.allocate(capacity: 1)
    unsafe slot.initialize(
      to: Connection(
        index: index, generation: nextGeneration, gate: gate, number: nextNumber, fd: fd, peer: peer, session: session))
    nextGeneration &+= 1
    nextNumber += 1
    unsafe slots[index] = slot
    gates[gate].connectionCount += 1
    mostConnections = unsafe max(mostConnections, slots.count - freeSlots.count)
    metrics.gates[gate].accepted &+= 1
    unsafe slot.pointee.since = now
    unsafe rememberUnauthenticated(slot)
    let token = unsafe EventToken.connection(index: index, generation: slot.pointee.generation, side: .client)
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN.rawValue, token.bits)
    if result < 0 {
      unsafe log.failure(slot, "\(SystemError("cannot watch a client", result))")
      unsafe closeNow(slot)
      return
    }
    unsafe slot.pointee.client.interest = EPOLLIN.rawValue
    if options.settings.logging == .everything { unsafe log.opened(slot) }
    unsafe noteDeadline(slot)
  }

  // MARK: Clients that have not authenticated, or not said Hello

  /// Milliseconds after which one that has said nothing is evicted, if others wait.
  private static let silenceMax: UInt64 = 1000

  /// Makes room for one more client. False: none waits, or those that do wait on.
  private mutating func makesRoom(_ gate: Int) -> Bool {
    if gates[gate].unauthenticatedCount < gates[gate].options.unauthenticatedMax { return true }
    if clinux_is_asked(gates[gate].listener.fd) == 0 { return false }
    hit(.unauthenticatedMax, gate: gate)
    log.limit(
      .unauthenticatedMax, gate: gate, "further clients wait until one has said Hello; who says nothing for a second gives way")
    var lookAt = now.advanced(byMilliseconds: Self.silenceMax)
    for _ in 0..<gates[gate].unauthenticatedCount {
      guard let silent = unsafe slots[gates[gate].oldestUnauthenticated] else {
        preconditionFailure("a list of what is not there")
      }
      if case .bus = unsafe silent.pointee.pipe(from: .client).pointee.wait {
        unsafe noteProgress(silent)  // it waits for the bus
        continue
      }
      lookAt = unsafe silent.pointee.progressedAt.advanced(byMilliseconds: Self.silenceMax)
      if now < lookAt { break }
      unsafe silent.pointee.end = .evicted
      unsafe closeNow(silent)
      return true
    }
    gates[gate].isFull = true
    watchListener(gate)
    if roomAt.map({ lookAt < $0 }) ?? true { roomAt = lookAt }
    return false
  }

  /// The client that was silent longest may have been so for long enough: accepting is tried again.
  mutating func lookForRoom() {
    guard let at = roomAt, now >= at else { return }
    roomAt = nil
    for gate in gates.indices where gates[gate].isFull { acceptAgain(gate) }
  }

  private mutating func acceptAgain(_ gate: Int) {
    gates[gate].isFull = false
    watchListener(gate)
  }

  private mutating func watchListener(_ gate: Int) {
    if gates[gate].isClosed { return }
    let events = gates[gate].isPaused || gates[gate].isFull ? 0 : EPOLLIN.rawValue
    _ = clinux_epoll_control(epoll, EPOLL_CTL_MOD, gates[gate].listener.fd, events, EventToken.listener(gate: gate).bits)
  }

  private mutating func rememberUnauthenticated(_ slot: UnsafeMutablePointer<Connection>) {
    let gate = unsafe slot.pointee.gate
    unsafe slot.pointee.progressedAt = now
    unsafe append(slot)
    gates[gate].unauthenticatedCount += 1
  }

  /// The client has sent something, and becomes the last to be evicted.
  mutating func noteProgress(_ slot: UnsafeMutablePointer<Connection>) {
    if unsafe !slot.pointee.isUnauthenticated { return }
    unsafe slot.pointee.progressedAt = now
    if unsafe slot.pointee.nextUnauthenticated < 0 { return }
    unsafe takeOut(slot)
    unsafe append(slot)
  }

  private mutating func append(_ slot: UnsafeMutablePointer<Connection>) {
    let gate = unsafe slot.pointee.gate
    let index = unsafe slot.pointee.index
    let last = gates[gate].newestUnauthenticated
    unsafe slot.pointee.previousUnauthenticated = last
    unsafe slot.pointee.nextUnauthenticated = -1
    if last >= 0, let before = unsafe slots[last] {
      unsafe before.pointee.nextUnauthenticated = index
    } else {
      gates[gate].oldestUnauthenticated = index
    }
    gates[gate].newestUnauthenticated = index
  }

  mutating func forgetUnauthenticated(_ slot: UnsafeMutablePointer<Connection>) {
    if unsafe !slot.pointee.isUnauthenticated { return }
    unsafe slot.pointee.isUnauthenticated = false
    let gate = unsafe slot.pointee.gate
    unsafe takeOut(slot)
    gates[gate].unauthenticatedCount -= 1
    if gates[gate].isFull { acceptAgain(gate) }
  }

  private mutating func takeOut(_ slot: UnsafeMutablePointer<Connection>) {
    let gate = unsafe slot.pointee.gate
    let (previous, next) = unsafe (slot.pointee.previousUnauthenticated, slot.pointee.nextUnauthenticated)
    if previous >= 0, let before = unsafe slots[previous] {
      unsafe before.pointee.nextUnauthenticated = next
    } else {
      gates[gate].oldestUnauthenticated = next
    }
    if next >= 0, let after = unsafe slots[next] {
      unsafe after.pointee.previousUnauthenticated = previous
    } else {
      gates[gate].newestUnauthenticated = previous
    }
  }

  // MARK: Out of descriptors

  /// Stops accepting until a connection ends or a moment has passed. The clients that are there are served meanwhile.
  private mutating func pauseAccepting(gate: Int, _ error: SystemError) {
    hit(.descriptors, gate: gate)
    log.limit(.descriptors, gate: gate, "\(error); accepting pauses")
    gates[gate].isPaused = true
    watchListener(gate)
    retryAt = now.advanced(byMilliseconds: Self.pause)
  }

  mutating func resumeAccepting() {
    resumeAcceptingAdminClients()
    for gate in gates.indices where gates[gate].isPaused && !gates[gate].isClosed {
      gates[gate].isPaused = false
      watchListener(gate)
    }
  }
}
