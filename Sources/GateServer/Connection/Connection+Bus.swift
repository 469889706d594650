// What a connection asks of the server: which bus it is, and a connection of its own there. When that may be opened is the server's to say
// (Server+Bus).

import CLinux
import GateSession
import Glibc

extension Connection {
  /// Notes what the session asks for.
  mutating func take(_ requests: Output.Requests, _ io: inout IOContext) {
    if requests.contains(.busKnown) { raise(.busKnown, &io) }
    if requests.contains(.resumeClient) { pipes[.client].wait = .room }
    if requests.contains(.helloDone) { raise(.helloDone, &io) }
    if requests.contains(.identifyBus) { raise(.identifyBus, &io) }
    if requests.contains(.connectBus) { raise(.connectBus, &io) }
  }

  /// The session was told what it had asked, and has said what comes next: the client's bytes are offered again unless it waits for something
  /// else.
  mutating func takeAnswer(_ gate: inout Gate, _ io: inout IOContext) {
    let (wait, close, requests) = (io.output.wait, io.output.close, io.output.requests)
    if case .bytes = wait { pipes[.client].wait = .room } else { pipes[.client].wait = wait }
    if let close { end(close, &gate, &io) } else if !requests.isEmpty { take(requests, &io) }
  }

  /// The bus that was asked for is this one.
  mutating func busIdentified(_ identity: BusIdentity, _ gate: inout Gate, _ io: inout IOContext) {
    io.output.removeAll()
    session.busIdentified(identity, into: &io.output)
    takeAnswer(&gate, &io)
  }

  /// The bus that was asked for can't be told.
  mutating func busNotIdentified(_ reason: CloseReason, _ gate: inout Gate, _ io: inout IOContext) {
    if reason == .endOfStream(.bus) { sayHungUp(gate, io.log) }
    if let limit = LimitName(reason) { gate.metrics.hit(limit) }
    gate.metrics.busConnectFailures &+= 1
    closeReason = reason
    _ = flushLocalOutput(to: .client, &gate, &io)
    close(&gate, &io)
  }

  /// The bus can't be had: the client is closed.
  mutating func refuse(_ error: SystemError, _ gate: inout Gate, _ io: inout IOContext) {
    io.log.failure(&client, "\(error); the client is closed, the next one tries again")
    gate.metrics.busConnectFailures &+= 1
    raise(.busGone, &io)
    end = .busUnreachable
    close(&gate, &io)
  }

  /// Whether its bus is not the one that the address names. Nothing has gone to the client yet that came from this bus, and nothing but the
  /// handshake to the bus.
  func isOtherBus(_ gate: borrowing Gate) -> Bool {
    guard let bus = session.bus else { return false }
    return gate.options.bus.guid(ofAlternative: busAlternative, missedBy: bus) != nil
  }

  mutating func refuseBus(_ endpoint: BusEndpoint, _ gate: inout Gate, _ io: inout IOContext) {
    let guid = session.bus.flatMap { endpoint.guid(ofAlternative: busAlternative, missedBy: $0) } ?? ""
    refuse(SystemError("the bus at \(endpoint.address) is another one", -EREMCHG, hint: "its GUID is not \(guid)"), &gate, &io)
  }

  // MARK: The socket

  /// Takes the socket of a connect that is done, or in progress until `limit`.
  mutating func takeBus(
    _ opened: BusEndpoint.Opened, saysUID: Bool, until limit: Instant?, _ gate: inout Gate, _ io: inout IOContext
  ) {
    let interest = limit == nil ? PollSet.readable : PollSet.writable
    let result = io.poll.add(opened.fd, interest, .connection(id, .bus))
    if result < 0 {
      closeDescriptor(opened.fd)
      refuse(SystemError("cannot watch a connection to the bus", result), &gate, &io)
      return
    }
    sockets[.bus] = Socket(fd: opened.fd, interest: interest)
    (busAlternative, busTransport) = (opened.alternative, opened.transport)
    self.saysUID = saysUID
    if let limit {
      busLink = .connecting(until: limit)
      io.deadline.note(limit)
    } else {
      busConnected(&gate, &io)
    }
  }

  /// The connect in progress has come to its end, one way or the other.
  mutating func finishConnecting(_ gate: inout Gate, _ io: inout IOContext) {
    let result = BusEndpoint.Opened.result(of: sockets[.bus].fd)
    if result == -EINPROGRESS { return }
    if result == 0 {
      busConnected(&gate, &io)
    } else {
      busLink = .failed(result)
      raise(.connectFailed, &io)
    }
  }

  /// Gives up the socket of a connect that came to nothing. Returns why it did: -errno.
  mutating func takeConnectFailure() -> Int32 {
    guard case .failed(let result) = busLink else { preconditionFailure("gave up a connect that did not fail") }
    closeDescriptor(sockets[.bus].fd)
    sockets[.bus] = Socket()
    busLink = .none
    return result
  }

  private mutating func busConnected(_ gate: inout Gate, _ io: inout IOContext) {
    busLink = .open
    gate.metrics.busConnects &+= 1
    raise(.busConnected, &io)
    if let reason = session.busConnected(at: io.now, saysUID: saysUID, over: busTransport) {
      end(reason, &gate, &io)
      return
    }
    // Offered before anything else leaves, so that Hello goes with the handshake, in one write.
    pipes[.client].wait = .bytes
    pipes[.client].isToOffer = true
  }
}
