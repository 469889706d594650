// Connections to the bus: when they are opened, how many at a time, and what is remembered of the bus.

import CLinux
import GateSession
import Glibc

extension Server {
  /// The number of the bus that a gate with these options has; a new one if no gate had it yet.
  mutating func bus(for options: GateOptions) -> Int {
    if let known = buses.firstIndex(where: { $0.endpoint.address == options.bus.address }) {
      buses[known].add(options)
      return known
    }
    buses.append(Bus(options))
    return buses.count - 1
  }

  /// The number of a connection's bus.
  func bus(of slot: UnsafeMutablePointer<Connection>) -> Int { gates[unsafe slot.pointee.gate].bus }

  /// The bus went away, or is another one: the next client asks anew who it is.
  mutating func forgetBus(_ bus: Int) { buses[bus].knownBus = nil }

  /// Does what a session asked for.
  mutating func fulfil(_ slot: UnsafeMutablePointer<Connection>, _ requests: Output.Requests) {
    let bus = unsafe bus(of: slot)
    if requests.contains(.busKnown) {
      if unsafe refusesBus(slot) { return }
      buses[bus].knownBus = unsafe slot.pointee.session.bus
      if let known = buses[bus].knownBus { leadObserver(bus, to: known) }
    }
    if requests.contains(.resumeClient) { unsafe slot.pointee.pipe(from: .client).pointee.wait = .room }
    if requests.contains(.helloDone) { unsafe givePlaceAmongHelloPending(slot) }
    if requests.contains(.identifyBus) { unsafe identifyBus(slot) }
    if requests.contains(.connectBus) {
      if buses[bus].helloPendingCount >= buses[bus].helloPendingMax {
        let gate = unsafe slot.pointee.gate
        hit(.helloPendingMax, gate: gate)
        log.limit(.helloPendingMax, gate: gate, "further clients wait until the bus has answered a Hello")
      }
      buses[bus].waitingForBus.append(
        unsafe EventToken.connection(index: slot.pointee.index, generation: slot.pointee.generation, side: .bus).bits)
      connectWaiting(bus: bus)
    }
  }

  /// The connection has its Hello, or its bus is gone: the next one may be opened.
  mutating func givePlaceAmongHelloPending(_ slot: UnsafeMutablePointer<Connection>) {
    if unsafe !slot.pointee.countsAsHelloPending { return }
    unsafe slot.pointee.countsAsHelloPending = false
    let bus = unsafe bus(of: slot)
    buses[bus].helloPendingCount -= 1
    connectWaiting(bus: bus)
  }

  /// Whether the client is gone and has sent nothing but Hello: the bus need not learn of it.
  func leavesUnannounced(_ slot: UnsafeMutablePointer<Connection>) -> Bool {
    let fd = unsafe slot.pointee.client.fd
    if clinux_is_hung_up(fd) == 0 || clinux_unread(fd) > 0 { return false }
    let pipe = unsafe slot.pointee.pipe(from: .client)
    return unsafe slot.pointee.session.saidOnlyHello(unconsumed: pipe.pointee.end - pipe.pointee.start)
  }

  /// A bus that hangs up behind the handshake refuses the gate without a reason. The log suggests one.
  func sayHungUp(_ slot: UnsafeMutablePointer<Connection>) {
    let address = buses[unsafe bus(of: slot)].endpoint.address
    unsafe log.failure(slot, BusEndpoint.hungUp(address))
  }

  /// The connection is over: its place at the bus is free when ``releaseEnded()`` looks who waits.
  mutating func leaveBus(_ slot: UnsafeMutablePointer<Connection>) {
    let bus = unsafe bus(of: slot)
    if unsafe slot.pointee.countsAsHelloPending {
      unsafe slot.pointee.countsAsHelloPending = false
      buses[bus].helloPendingCount -= 1
    }
    if unsafe slot.pointee.bus.fd < 0 { return }
    buses[bus].connectionCount -= 1
    if !buses[bus].keepsIdentity { forgetBus(bus) }
  }

  /// Opens the connections to the bus that wait for their turn, as far as there is room.
  mutating func connectWaiting(bus: Int) {
    var taken = 0
    while taken < buses[bus].waitingForBus.count && buses[bus].helloPendingCount < buses[bus].helloPendingMax {
      guard case .connection(let index, let generation, _) = EventToken(bits: buses[bus].waitingForBus[taken]),
        let slot = unsafe connection(index, generation)
      else {
        taken += 1
        continue
      }
      if unsafe leavesUnannounced(slot) {
        unsafe closeNow(slot)
        continue
      }
      if buses[bus].connectionCount >= buses[bus].connectionsTotal {
        unsafe reject(slot, bus)
        continue
      }
      let opened = buses[bus].endpoint.connectAtOnce()
      let fd = opened.fd
      if -fd == EAGAIN {
        retryAt = now.advanced(byMilliseconds: Self.retryInterval)
        break
      }
      taken += 1
      // Taken off the list first: what follows may call this function again.
      buses[bus].waitingForBus.removeFirst(taken)
      taken = 0
      if fd < 0 {
        // So when descriptors run out, too: clients that all wait for a second one would keep their first ones for ever.
        unsafe refuse(slot, SystemError("cannot connect to the bus at \(buses[bus].endpoint.address)", fd))
      } else if gates[unsafe slot.pointee.gate].listener.isOther(end: fd) {
        closeDescriptor(fd)
        unsafe refuse(
          slot,
          SystemError(
            "cannot connect to the bus at \(buses[bus].endpoint.address)", -ELOOP, hint: "it is the gate's own socket"))
      } else {
        unsafe slot.pointee.busAlternative = opened.alternative
        unsafe connected(slot, fd, opened.transport)
      }
    }
    if taken > 0 { buses[bus].waitingForBus.removeFirst(taken) }
  }

  /// There are as many connections to the bus as there may be, which leaves other processes of the user some.
  private mutating func reject(_ slot: UnsafeMutablePointer<Connection>, _ bus: Int) {
    let gate = unsafe slot.pointee.gate
    hit(.busConnectionsTotal, gate: gate)
    log.limit(
      .busConnectionsTotal, gate: gate,
      "a client was turned away, there are \(buses[bus].connectionsTotal) connections to \(buses[bus].endpoint.address)")
    unsafe slot.pointee.end = .busConnectionsTotal
    unsafe closeNow(slot)
  }

  /// Ends a connection whose bus is not the one that its address names; says whether it did. Nothing has gone to the client yet
  /// that came from this bus, and nothing but the handshake to the bus.
  private mutating func refusesBus(_ slot: UnsafeMutablePointer<Connection>) -> Bool {
    let endpoint = buses[unsafe bus(of: slot)].endpoint
    guard let bus = unsafe slot.pointee.session.bus,
      let guid = unsafe endpoint.guid(ofAlternative: slot.pointee.busAlternative, missedBy: bus)
    else { return false }
    unsafe refuse(
      slot, SystemError("the bus at \(endpoint.address) is another one", -EREMCHG, hint: "its GUID is not \(guid)"))
    return true
  }

  mutating func refuse(_ slot: UnsafeMutablePointer<Connection>, _ error: SystemError) {
    unsafe log.failure(slot, "\(error); the client is closed, the next one tries again")
    let gate = unsafe slot.pointee.gate
    metrics.gates[gate].busConnectFailures &+= 1
    forgetBus(unsafe bus(of: slot))
    unsafe slot.pointee.end = .busUnreachable
    unsafe closeNow(slot)
  }

  private mutating func connected(_ slot: UnsafeMutablePointer<Connection>, _ fd: Int32, _ transport: Transport) {
    let token = unsafe EventToken.connection(index: slot.pointee.index, generation: slot.pointee.generation, side: .bus)
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN.rawValue, token.bits)
    if result < 0 {
      closeDescriptor(fd)
      unsafe refuse(slot, SystemError("cannot watch a connection to the bus", result))
      return
    }
    unsafe slot.pointee.bus.fd = fd
    unsafe slot.pointee.bus.interest = EPOLLIN.rawValue
    unsafe slot.pointee.countsAsHelloPending = true
    let bus = unsafe bus(of: slot)
    buses[bus].connectionCount += 1
    buses[bus].helloPendingCount += 1
    metrics.gates[unsafe slot.pointee.gate].busConnects &+= 1
    busIsThere(bus)
    if let reason = unsafe slot.pointee.session.busConnected(at: now, saysUID: buses[bus].saysUID, over: transport) {
      unsafe end(slot, reason)
      return
    }
    // Before anything else leaves, so that Hello goes with the handshake, in one write.
    unsafe slot.pointee.pipe(from: .client).pointee.wait = .bytes
    unsafe pump(slot, from: .client)
    unsafe updatePollInterest(of: slot)
  }

  /// Answers the session's question whether the client may call itself `uid`.
  mutating func identify(_ slot: UnsafeMutablePointer<Connection>, _ uid: UInt32) {
    let isKnown = unsafe slot.pointee.peer?.isKnownInside(as: uid, socket: slot.pointee.client.fd) ?? false
    output.removeAll()
    unsafe slot.pointee.session.identify(accepted: isKnown, into: &output)
    unsafe slot.pointee.pipe(from: .client).pointee.wait = output.wait
    let (close, requests) = (output.close, output.requests)
    if let close {
      unsafe end(slot, close)
    } else if !requests.isEmpty {
      unsafe fulfil(slot, requests)
    }
  }

  /// Tries again what could not be done for lack of descriptors or of room at the bus.
  mutating func retry() {
    guard let at = retryAt, now >= at else { return }
    retryAt = nil
    resumeAccepting()
    for bus in buses.indices {
      probe(bus)
      connectWaiting(bus: bus)
    }
  }
}
