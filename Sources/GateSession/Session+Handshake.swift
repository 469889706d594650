// The handshakes of a session: the gate is SASL server to the client and SASL client to the bus, and no byte of one ever reaches the
// other (CVE-2018-6560).

import DBusWire
import GatePolicy

extension Session {
  mutating func receiveFromClient(
    _ bytes: RawSpan, descriptors: Int, policy: Policy, into output: inout Output
  ) -> Int {
    var at = 0
    if clientPhase == .handshake {
      at = authenticate(bytes, into: &output)
      if clientPhase == .handshake {
        // Descriptors have no place in the handshake; those behind its last byte may belong to the first message.
        if descriptors > 0 && at == bytes.byteCount { output.close = .descriptorMismatch(.client) }
        return at
      }
    }
    return frame(bytes, from: at, side: .client, descriptors: descriptors, policy: policy, into: &output)
  }

  private mutating func authenticate(_ bytes: RawSpan, into output: inout Output) -> Int {
    var at = 0
    var reply = HandshakeOutput()
    while true {
      if !ownToClient.hasRoom {
        output.wait = .localOutput(.client)
        return at
      }
      let (consumed, step) = serverHandshake.receive(bytes.extracting(at..<bytes.byteCount), into: &reply)
      at += consumed
      say(&reply, to: .client)
      switch step {
      case .needsBytes:
        output.wait = .bytes
        return at
      case .needsRoom:
        continue
      case .needsBus:
        guard let bus = knownBus else {
          if !asksForBus { output.requests.insert(.identifyBus) }
          asksForBus = true
          output.wait = .bus
          return at
        }
        serverHandshake.provide(bus: bus, into: &reply)
        say(&reply, to: .client)
      case .needsIdentity(let uid):
        output.claimedUID = uid
        output.wait = .identity
        return at
      case .begun(let negotiatedUnixFDs):
        clientPhase = .open
        clientTakesDescriptors = negotiatedUnixFDs
        busTakesDescriptors = negotiatedUnixFDs  // what the client was told, until its own connection says so
        return at
      case .close(let failure):
        output.close = .handshake(.client, failure)
        return at
      }
    }
  }

  private mutating func say(_ reply: inout HandshakeOutput, to side: Side) {
    if reply.count == 0 { return }
    switch side {
    case .client: reply.withBytes { ownToClient.append($0) }
    case .bus: reply.withBytes { ownToBus.append($0) }
    }
    reply.removeAll(keepingCapacity: true)
  }

  /// The bus that ``Output/Requests/identifyBus`` asked for is this one. The client's bytes are to be offered again.
  public mutating func busIdentified(_ identity: BusIdentity, into output: inout Output) {
    precondition(asksForBus, "told of the bus unasked")
    knownBus = identity
    _ = authenticate(RawSpan(), into: &output)
  }

  /// Whether the client's claim to be ``Output/claimedUID`` is true. The client's bytes are to be offered again.
  public mutating func identify(accepted: Bool, into output: inout Output) {
    var reply = HandshakeOutput()
    serverHandshake.provide(identityAccepted: accepted, into: &reply)
    say(&reply, to: .client)
    _ = authenticate(RawSpan(), into: &output)
  }

  /// The connection to the bus that was requested is there: the gate's side of the handshake is now in the own output. The client's bytes are
  /// to be offered again before any of that leaves, so that Hello goes with it.
  ///
  /// - Parameter saysUID: Whether to say who we are; else the transport does, for a bus that knows our uid by another number.
  public mutating func busConnected(at now: Instant, saysUID: Bool = true) {
    precondition(busPhase == .requested, "connected to the bus unasked")
    busPhase = .handshake
    helloDeadline = now.advanced(byMilliseconds: settings.limits.helloTimeout)
    var handshake = ClientHandshake(uid: saysUID ? ownUID : nil, anonymous: false, negotiateUnixFDs: clientTakesDescriptors)
    var opening = HandshakeOutput()
    handshake.start(into: &opening)
    clientHandshake = handshake
    say(&opening, to: .bus)
  }

  mutating func receiveFromBus(_ bytes: RawSpan, descriptors: Int, policy: Policy, into output: inout Output) -> Int {
    var at = 0
    if busPhase == .handshake {
      guard var handshake = clientHandshake else { preconditionFailure("a handshake without a handshake") }
      let (consumed, step) = handshake.receive(bytes)
      at = consumed
      clientHandshake = handshake
      switch step {
      case .needsBytes:
        return at
      case .close(let failure):
        output.close = .handshake(.bus, failure)
        return at
      case .done(let identity):
        clientHandshake = nil
        if let reason = busIdentified(identity) {
          output.close = reason
          return at
        }
        output.requests.formUnion([.busKnown, .resumeClient])
      }
    }
    precondition(busPhase == .open, "the bus spoke before it was connected")
    return frame(bytes, from: at, side: .bus, descriptors: descriptors, policy: policy, into: &output)
  }

  private mutating func busIdentified(_ identity: BusIdentity) -> CloseReason? {
    guard let known = knownBus else { preconditionFailure("a client was told of a bus that nobody knows") }
    // What the client was told: the GUID in its OK, and whether descriptors may be sent.
    if BusIdentity(guid: identity.guid, unixFDs: known.unixFDs) != known { return .busChanged }
    if clientTakesDescriptors && !identity.unixFDs { return .busChanged }
    busTakesDescriptors = identity.unixFDs
    busPhase = .open
    return nil
  }
}
