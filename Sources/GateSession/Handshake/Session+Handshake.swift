// The beginning of a session, for whoever drives it.

import DBusWire
import GatePolicy

extension Session {
  /// Both handshakes, if there is something of them in `bytes`; returns how many bytes that was. Nil: there is nothing more to do.
  mutating func receiveHandshake(
    _ bytes: RawSpan, from side: Side, descriptors: Int, into output: inout Output
  ) -> (consumed: Int, isDone: Bool) {
    switch side {
    case .client:
      if handshakes.clientPhase == .open { return (0, true) }
      let at = handshakes.receiveFromClient(bytes, &mediator.local.toClient, into: &output)
      if handshakes.clientPhase == .open { return (at, true) }
      // Descriptors have no place in the handshake; those behind its last byte may belong to the first message.
      if descriptors > 0 && at == bytes.byteCount { output.close = .descriptorMismatch(.client) }
      return (at, false)
    case .bus:
      if handshakes.busPhase == .open { return (0, true) }
      precondition(handshakes.busPhase == .handshake, "the bus spoke before it was connected")
      let at = handshakes.receiveFromBus(bytes, into: &output)
      return (at, handshakes.busPhase == .open)
    }
  }

  /// The bus that ``Output/Requests/identifyBus`` asked for is this one. The client's bytes are to be offered again.
  public mutating func busIdentified(_ identity: BusIdentity, into output: inout Output) {
    handshakes.identifyBus(identity)
    mediator.setBus(identity)
    _ = handshakes.receiveFromClient(RawSpan(), &mediator.local.toClient, into: &output)
  }

  /// Whether the client's claim to be ``Output/claimedUID`` is true. The client's bytes are to be offered again.
  public mutating func identify(accepted: Bool, into output: inout Output) {
    handshakes.identifyClient(accepted: accepted, &mediator.local.toClient)
    _ = handshakes.receiveFromClient(RawSpan(), &mediator.local.toClient, into: &output)
  }

  /// The connection to the bus that was requested is there: the gate's side of the handshake is now in the local output. The client's bytes are
  /// to be offered again before any of that leaves, so that Hello goes with it.
  ///
  /// - Parameters:
  ///   - saysUID: Whether to say who we are; else the transport does, for a bus that knows our uid by another number.
  ///   - transport: What the connection can carry. Descriptors are asked for, and credentials relied on, only where they pass.
  /// - Returns: Why that connection is of no use, and the session over: the transport carries less than the client was told
  ///   (``CloseReason/busChanged``), or no credentials where ``SessionSettings/allowsAnonymousToBus`` is not set. Nothing is said to the bus
  ///   then. Nil: it goes on.
  public mutating func busConnected(at now: Instant, saysUID: Bool = true, over transport: Transport) -> CloseReason? {
    handshakes.connectBus(
      over: transport, saysUID: saysUID, helloTimeout: mediator.settings.limits.helloTimeout, at: now, &mediator.local.toBus)
  }
}
