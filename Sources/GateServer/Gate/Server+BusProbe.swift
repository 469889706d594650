// Which bus it is. Clients are told the bus's GUID, and whether it takes descriptors, before they have sent anything that a
// connection of their own would be opened for. If no other connection to that bus is there to know it by, a connection of the
// gate's finds out, and closes at once. All clients that need the answer wait for the same one.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Milliseconds until a connect that found the bus busy is tried again.
  static let retryInterval: UInt64 = 10

  /// The session wants to tell its client of the bus.
  mutating func identifyBus(_ slot: UnsafeMutablePointer<Connection>) {
    let bus = unsafe bus(of: slot)
    if let known = buses[bus].knownBus {
      unsafe tell(slot, known)
      return
    }
    buses[bus].waitingForIdentity.append(
      unsafe EventToken.connection(index: slot.pointee.index, generation: slot.pointee.generation, side: .client).bits)
    probe(bus)
  }

  /// Finds out who the bus is, if somebody waits for that.
  mutating func probe(_ bus: Int) {
    if buses[bus].probe != nil || buses[bus].waitingForIdentity.isEmpty { return }
    let address = buses[bus].endpoint.address
    let opened = buses[bus].endpoint.connectAtOnce()
    if -opened.fd == EAGAIN {
      retryAt = now.advanced(byMilliseconds: Self.retryInterval)
      return
    }
    if opened.fd < 0 {
      // So when descriptors run out, too: clients that all wait for another one would keep theirs for ever.
      refuseWaiting(bus, SystemError("cannot connect to the bus at \(address)", opened.fd))
      return
    }
    if gates.contains(where: { $0.bus == bus && !$0.isClosed && $0.listener.isOther(end: opened.fd) }) {
      closeDescriptor(opened.fd)
      refuseWaiting(bus, SystemError("cannot connect to the bus at \(address)", -ELOOP, hint: "it is the gate's own socket"))
      return
    }
    let saysUID = buses[bus].saysUID
    var handshake = ClientHandshake(uid: saysUID ? geteuid() : nil, anonymous: false, negotiateUnixFDs: true)
    var opening = HandshakeOutput()
    handshake.start(into: &opening)
    var sent = opening.withBytes { bytes in
      unsafe bytes.withUnsafeBytes { unsafe clinux_send_now(opened.fd, $0.baseAddress!, $0.count) }
    }
    if sent >= 0 {
      sent = Int(clinux_epoll_control(epoll, EPOLL_CTL_ADD, opened.fd, EPOLLIN.rawValue, EventToken.busProbe(bus: bus).bits))
    }
    if sent < 0 {
      closeDescriptor(opened.fd)
      refuseWaiting(bus, SystemError("cannot ask the bus at \(address) who it is", Int32(sent)))
      return
    }
    let deadline = now.advanced(byMilliseconds: buses[bus].helloTimeout)
    buses[bus].probe = BusProbe(
      fd: opened.fd, alternative: opened.alternative, saysUID: saysUID, handshake: handshake, deadline: deadline)
    if probeDeadline.map({ deadline < $0 }) ?? true { probeDeadline = deadline }
  }

  /// The bus has said something to a probe, or hung up.
  mutating func readProbe(_ bus: Int) {
    guard var probe = buses[bus].probe else { return }
    var chunk = [UInt8](repeating: 0, count: 1024)
    let count = unsafe chunk.withUnsafeMutableBytes { unsafe clinux_receive_now(probe.fd, $0.baseAddress!, $0.count) }
    if -count == EAGAIN || -count == EINTR { return }
    if count <= 0 {
      endProbe(bus)
      closeWaiting(bus, .endOfStream(.bus))
      return
    }
    let said = probe.input + chunk[..<count]
    let (consumed, step) = unsafe probe.handshake.receive(said.span.bytes)
    probe.input = Array(said[consumed...])
    buses[bus].probe = probe
    switch step {
    case .needsBytes: return
    case .done(let identity): learn(bus, identity, probe)
    case .close(let failure): probeFailed(bus, failure, saidUID: probe.saysUID)
    }
  }

  // MARK: What comes of it

  private mutating func learn(_ bus: Int, _ identity: BusIdentity, _ probe: BusProbe) {
    endProbe(bus)
    if let guid = buses[bus].endpoint.guid(ofAlternative: probe.alternative, missedBy: identity) {
      let attempt = "the bus at \(buses[bus].endpoint.address) is another one"
      refuseWaiting(bus, SystemError(attempt, -EREMCHG, hint: "its GUID is not \(guid)"))
      return
    }
    if buses[bus].keepsIdentity { buses[bus].knownBus = identity }
    leadObserver(bus, to: identity)
    unsafe letGo(bus) { server, slot in
      unsafe server.tell(slot, identity)
      unsafe server.updatePollInterest(of: slot)
    }
  }

  private mutating func probeFailed(_ bus: Int, _ failure: HandshakeFailure, saidUID: Bool) {
    endProbe(bus)
    if case .busRejected = failure, saidUID {
      // The bus may be in another user namespace, where our uid is another one, which only the kernel knows.
      buses[bus].saysUID = false
      probe(bus)
      return
    }
    buses[bus].saysUID = true
    closeWaiting(bus, .handshake(.bus, failure))
  }

  /// Ends the probes that have taken too long.
  mutating func expireProbes() {
    guard let due = probeDeadline, now >= due else { return }
    probeDeadline = nil
    for bus in buses.indices {
      guard let probe = buses[bus].probe else { continue }
      if now >= probe.deadline {
        endProbe(bus)
        closeWaiting(bus, .helloTimeout)
      } else if probeDeadline.map({ probe.deadline < $0 }) ?? true {
        probeDeadline = probe.deadline
      }
    }
  }

  private mutating func endProbe(_ bus: Int) {
    guard let probe = buses[bus].probe else { return }
    closeDescriptor(probe.fd)
    buses[bus].probe = nil
  }

  // MARK: Who waits

  /// Ends the wait for the bus's identity: calls `body` with each connection that is still there.
  private mutating func letGo(_ bus: Int, _ body: (inout Server, UnsafeMutablePointer<Connection>) -> Void) {
    let tokens = buses[bus].waitingForIdentity
    buses[bus].waitingForIdentity = []
    for token in tokens {
      guard case .connection(let index, let generation, _) = EventToken(bits: token) else {
        preconditionFailure("not a connection's token")
      }
      if let slot = unsafe connection(index, generation) { unsafe body(&self, slot) }
    }
  }

  private mutating func tell(_ slot: UnsafeMutablePointer<Connection>, _ identity: BusIdentity) {
    output.removeAll()
    unsafe slot.pointee.session.busIdentified(identity, into: &output)
    if case .bytes = output.wait {
      unsafe slot.pointee.pipe(from: .client).pointee.wait = .room  // what was read already is offered again
    } else {
      unsafe slot.pointee.pipe(from: .client).pointee.wait = output.wait
    }
    if let close = output.close { unsafe end(slot, close) }
  }

  private mutating func refuseWaiting(_ bus: Int, _ error: SystemError) {
    unsafe letGo(bus) { server, slot in unsafe server.refuse(slot, error) }
  }

  private mutating func closeWaiting(_ bus: Int, _ reason: CloseReason) {
    forgetBus(bus)
    unsafe letGo(bus) { server, slot in
      if reason == .endOfStream(.bus) { unsafe server.sayHungUp(slot) }
      if let limit = LimitName(reason) { server.hit(limit, gate: unsafe slot.pointee.gate) }
      server.metrics.gates[unsafe slot.pointee.gate].busConnectFailures &+= 1
      unsafe slot.pointee.closeReason = reason
      _ = unsafe server.flushLocalOutput(slot, to: .client)
      unsafe server.closeNow(slot)
    }
  }
}
