// A connection that learns which bus it is: its own input and output. Server+BusProbe.swift says when there is one.

import CLinux
import GateSession
import Glibc

/// A connection that learns who a bus is, and closes at once.
struct BusProbe {
  /// What came of its socket's event.
  enum Outcome {
    case pending
    case learnt(BusIdentity)
    /// The connect in progress came to nothing: -errno.
    case unconnected(Int32)
    case failed(CloseReason)
  }

  let opened: BusEndpoint.Opened
  let source: EventSource.ID
  /// Whether it sent our uid.
  let saysUID: Bool
  /// When it has taken too long.
  let deadline: Instant
  private var isConnecting: Bool
  private var handshake: ClientHandshake
  /// What the bus has said, as far as it ends within a line.
  private var input: [UInt8] = []

  /// Nil: the transport carries no credentials, and without a name the gate may not be there.
  init?(
    _ opened: BusEndpoint.Opened, isConnecting: Bool, allowsAnonymous: Bool, saysUID: Bool, source: EventSource.ID,
    deadline: Instant
  ) {
    let handshake = ClientHandshake(
      over: opened.transport, uid: saysUID ? geteuid() : nil, allowsAnonymous: allowsAnonymous, negotiateUnixFDs: true)
    guard let handshake else { return nil }
    (self.opened, self.isConnecting, self.saysUID, self.source, self.deadline) = (opened, isConnecting, saysUID, source, deadline)
    self.handshake = handshake
  }

  /// Says the first words. Returns 0 or -errno.
  mutating func start() -> Int {
    if isConnecting { return 0 }
    var opening = HandshakeOutput()
    handshake.start(into: &opening)
    let sent = opening.withBytes { bytes in
      unsafe bytes.withUnsafeBytes { unsafe clinux_send_now(opened.fd, $0.baseAddress!, $0.count) }
    }
    return min(0, sent)
  }

  /// The bus has said something, or hung up, or the connect has come to its end.
  mutating func handle() -> Outcome {
    if isConnecting {
      isConnecting = false
      let result = BusEndpoint.Opened.result(of: opened.fd)
      if result < 0 { return .unconnected(result) }
      return start() < 0 ? .failed(.endOfStream(.bus)) : .pending
    }
    var chunk = [UInt8](repeating: 0, count: 1024)
    let count = unsafe chunk.withUnsafeMutableBytes { unsafe clinux_receive_now(opened.fd, $0.baseAddress!, $0.count) }
    if -count == EAGAIN || -count == EINTR { return .pending }
    if count <= 0 { return .failed(.endOfStream(.bus)) }
    let said = input + chunk[..<count]
    let (consumed, step) = unsafe handshake.receive(said.span.bytes)
    input = Array(said[consumed...])
    switch step {
    case .needsBytes: return .pending
    case .done(let identity): return .learnt(identity)
    case .close(let failure): return .failed(.handshake(.bus, failure))
    }
  }
}
