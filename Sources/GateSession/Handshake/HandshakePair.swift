// The handshakes of a session: the gate is SASL server to the client and SASL client to the bus, and no byte of one ever reaches the
// other (CVE-2018-6560).

import DBusWire

/// Both handshakes of a session, what came of them, and how long they may take.
struct HandshakePair: ~Copyable {
  enum ClientPhase { case handshake, open }
  enum BusPhase { case absent, requested, handshake, open }

  private(set) var clientPhase = ClientPhase.handshake
  private(set) var busPhase = BusPhase.absent
  private var server: ServerHandshake
  private var client: ClientHandshake?
  private let ownUID: UInt32
  /// Whether descriptors can come from, and go to, the client.
  private let clientCarriesDescriptors: Bool
  /// Whether the gate may be nobody on the bus.
  private let allowsAnonymousToBus: Bool
  /// What the client is told of the bus, once that is known.
  private(set) var knownBus: BusIdentity?
  /// Whether it was asked for.
  private var asksForBus = false
  /// Whether the client, and the bus, agreed to NEGOTIATE_UNIX_FD.
  private(set) var clientTakesDescriptors = false
  private(set) var busTakesDescriptors = false
  /// Bytes of the Hello that waits for the connection to the bus; 0 if it is another message that does.
  private(set) var helloByteCount = 0
  private let authDeadline: Instant
  private var helloDeadline: Instant?

  init(_ settings: SessionSettings, peerUID: UInt32?, ownUID: UInt32, bus: BusIdentity?, at now: Instant) {
    self.ownUID = ownUID
    knownBus = bus
    clientCarriesDescriptors = settings.clientTransport.carriesDescriptors
    allowsAnonymousToBus = settings.allowsAnonymousToBus
    var options = ServerHandshake.Options()
    options.anonymous = settings.allowsAnonymous
    server = ServerHandshake(peerUID: settings.clientTransport.carriesCredentials ? peerUID : nil, options: options)
    authDeadline = now.advanced(byMilliseconds: settings.limits.authTimeout)
  }

  /// Whether both handshakes are done.
  @inline(__always)
  var isOpen: Bool { clientPhase == .open && busPhase == .open }

  /// Whether the client has not authenticated yet, or not said Hello: it is to hurry, and has no connection to the bus.
  var isAuthenticating: Bool { clientPhase == .handshake || busPhase == .absent }

  // MARK: The client

  /// Deals with the client's part of the handshake; returns how many bytes that was.
  mutating func receiveFromClient(_ bytes: RawSpan, _ reply: inout LocalOutput, into output: inout Output) -> Int {
    var at = 0
    var lines = HandshakeOutput()
    while true {
      if !reply.hasRoom {
        output.wait = .localOutput(.client)
        return at
      }
      let (consumed, step) = server.receive(bytes.extracting(at..<bytes.byteCount), into: &lines)
      at += consumed
      Self.say(&lines, to: &reply)
      switch step {
      case .needsBytes:
        output.wait = .bytes
        return at
      case .needsRoom:
        continue
      case .needsBus:
        guard var bus = knownBus else {
          if !asksForBus { output.requests.insert(.identifyBus) }
          asksForBus = true
          output.wait = .bus
          return at
        }
        if !clientCarriesDescriptors { bus.unixFDs = false }
        server.provide(bus: bus, into: &lines)
        Self.say(&lines, to: &reply)
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

  /// The bus that was asked for is this one.
  mutating func identifyBus(_ identity: BusIdentity) {
    precondition(asksForBus, "told of the bus unasked")
    knownBus = identity
  }

  /// Whether the client's claim about its user is true.
  mutating func identifyClient(accepted: Bool, _ reply: inout LocalOutput) {
    var lines = HandshakeOutput()
    server.provide(identityAccepted: accepted, into: &lines)
    Self.say(&lines, to: &reply)
  }

  // MARK: The bus

  /// A message is in hand that a connection to the bus is opened for.
  ///
  /// - Parameter helloByteCount: Its size if it is Hello; else 0.
  mutating func requestBus(helloByteCount: Int) {
    busPhase = .requested
    self.helloByteCount = helloByteCount
  }

  /// The connection to the bus is there.
  ///
  /// - Parameters:
  ///   - transport: What it can carry.
  ///   - saysUID: Whether to say who we are; else the transport does.
  /// - Returns: Why it is of no use; then nothing is said to the bus.
  mutating func connectBus(
    over transport: Transport, saysUID: Bool, helloTimeout: UInt64, at now: Instant, _ opening: inout LocalOutput
  ) -> CloseReason? {
    precondition(busPhase == .requested, "connected to the bus unasked")
    // A bus that is not asked does not agree, and another alternative of its address may have: the client was told of that one.
    if clientTakesDescriptors && !transport.carriesDescriptors { return .busChanged }
    guard
      var handshake = ClientHandshake(
        over: transport, uid: saysUID ? ownUID : nil, allowsAnonymous: allowsAnonymousToBus,
        negotiateUnixFDs: clientTakesDescriptors)
    else { return .handshake(.bus, .busTransportWithoutCredentials) }
    busPhase = .handshake
    helloDeadline = now.advanced(byMilliseconds: helloTimeout)
    var lines = HandshakeOutput()
    handshake.start(into: &lines)
    client = handshake
    Self.say(&lines, to: &opening)
    return nil
  }

  /// Deals with the bus's part of the handshake; returns how many bytes that was.
  mutating func receiveFromBus(_ bytes: RawSpan, into output: inout Output) -> Int {
    guard var handshake = client else { preconditionFailure("a handshake without a handshake") }
    let (consumed, step) = handshake.receive(bytes)
    client = handshake
    switch step {
    case .needsBytes: break
    case .close(let failure): output.close = .handshake(.bus, failure)
    case .done(let identity):
      client = nil
      if let reason = finish(identity) {
        output.close = reason
      } else {
        output.requests.formUnion([.busKnown, .resumeClient])
      }
    }
    return consumed
  }

  private mutating func finish(_ identity: BusIdentity) -> CloseReason? {
    guard let known = knownBus else { preconditionFailure("a client was told of a bus that nobody knows") }
    // What the client was told: the GUID in its OK, and whether descriptors may be sent.
    if BusIdentity(guid: identity.guid, unixFDs: known.unixFDs) != known { return .busChanged }
    if clientTakesDescriptors && !identity.unixFDs { return .busChanged }
    busTakesDescriptors = identity.unixFDs
    busPhase = .open
    return nil
  }

  // MARK: Time

  /// When ``expire(isRegistered:at:)`` has to be called, at the latest. (There is no answer to Hello before there is a bus.)
  @inline(__always)
  func deadline(isRegistered: Bool) -> Instant? {
    if isAuthenticating { return Instant.earlier(authDeadline, helloDeadline) }
    return isRegistered ? nil : helloDeadline
  }

  /// What has taken too long, if anything has.
  ///
  /// - Parameter isRegistered: Whether Hello is answered.
  func expire(isRegistered: Bool, at now: Instant) -> CloseReason? {
    if isAuthenticating && now >= authDeadline { return .authTimeout }
    if !isRegistered, let helloDeadline, now >= helloDeadline { return .helloTimeout }
    return nil
  }

  private static func say(_ lines: inout HandshakeOutput, to output: inout LocalOutput) {
    if lines.count == 0 { return }
    lines.withBytes { output.append($0) }
    lines.removeAll(keepingCapacity: true)
  }
}
