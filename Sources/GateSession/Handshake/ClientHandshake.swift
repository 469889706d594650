// The gate as SASL client, towards the bus: one write, and then the answers to it. Reads no socket and keeps no input. It says nothing
// that the client inside the container said (CVE-2018-6560). Driven by the session.

import DBusWire

/// The client side of the authentication protocol.
///
/// Everything is said at once, BEGIN included: a bus that does not accept it answers REJECTED and disconnects when it reads BEGIN,
/// as the specification has it.
///
/// Spec: "auth-protocol", "auth-states-client".
public struct ClientHandshake: Sendable {
  /// Why `receive` stopped. The last two are said again for ever.
  public enum Step: Equatable, Sendable {
    /// Everything that could be is consumed.
    case needsBytes
    /// The bus knows who we are: the bytes behind are messages.
    case done(BusIdentity)
    /// The connection is of no use.
    case close(HandshakeFailure)
  }

  private enum Mechanism {
    case anonymous
    case external(uid: UInt32)
    case externalByTransport
  }

  private enum State {
    case awaitingData
    case awaitingOK
    case awaitingAgreement(BusIdentity)
    case done(BusIdentity)
    case closed(HandshakeFailure)
  }

  private let mechanism: Mechanism
  private let negotiateUnixFDs: Bool
  private var state: State
  private var lines = LineFinder()

  /// - Parameters:
  ///   - uid: Our own uid; nil leaves it to the transport to say, for a gate whose user namespace is not the bus's.
  ///   - anonymous: Whether to be nobody, for transports without credentials; `uid` is not said then.
  ///   - negotiateUnixFDs: Whether to ask for descriptors: where the transports carry them.
  public init(uid: UInt32?, anonymous: Bool, negotiateUnixFDs: Bool) {
    self.negotiateUnixFDs = negotiateUnixFDs
    state = .awaitingOK
    if anonymous {
      mechanism = .anonymous
    } else if let uid {
      mechanism = .external(uid: uid)
    } else {
      mechanism = .externalByTransport
      state = .awaitingData
    }
  }

  /// A handshake that says and asks what `transport` carries: EXTERNAL where there are credentials, else ANONYMOUS. Nil where that is not
  /// allowed: there is nothing to say then.
  ///
  /// - Parameters:
  ///   - uid: As above; not used where the transport carries no credentials.
  ///   - allowsAnonymous: Whether the gate may be nobody, where the transport carries no credentials.
  ///   - negotiateUnixFDs: Whether to ask for descriptors if the transport carries them.
  public init?(over transport: Transport, uid: UInt32?, allowsAnonymous: Bool, negotiateUnixFDs: Bool) {
    if !transport.carriesCredentials && !allowsAnonymous { return nil }
    self.init(
      uid: uid, anonymous: !transport.carriesCredentials, negotiateUnixFDs: negotiateUnixFDs && transport.carriesDescriptors)
  }

  /// Appends all that there is to say, for one write. To be called once, on a fresh connection.
  public mutating func start(into output: inout HandshakeOutput) {
    output.append(0)
    switch mechanism {
    case .anonymous:
      // "busgate", as the trace of RFC 4505: with one, no server asks for it.
      output.append("AUTH ANONYMOUS 62757367617465\r\n")
    case .external(let uid):
      output.append("AUTH EXTERNAL ")
      // An ASCII digit d is 3d in hexadecimal.
      for digit in String(uid).utf8 {
        output.append(UInt8(ascii: "3"))
        output.append(digit)
      }
      output.append("\r\n")
    case .externalByTransport:
      output.append("AUTH EXTERNAL\r\nDATA\r\n")
    }
    if negotiateUnixFDs { output.append("NEGOTIATE_UNIX_FD\r\n") }
    output.append("BEGIN\r\n")
  }

  /// Reads what can be read of `bytes`; what is not consumed is to be presented again, with more behind it.
  ///
  /// - Returns: How many bytes were consumed from the front, whole lines only, and why it stopped there.
  public mutating func receive(_ bytes: RawSpan) -> (consumed: Int, step: Step) {
    var consumed = 0
    while true {
      switch state {
      case .done(let bus): return (consumed, .done(bus))
      case .closed(let failure): return (consumed, .close(failure))
      case .awaitingData, .awaitingOK, .awaitingAgreement: break
      }
      let rest = bytes.extracting(droppingFirst: consumed)
      switch lines.find(in: rest) {
      case .partial:
        return (consumed, .needsBytes)
      case .tooLong:
        state = .closed(.busLineTooLong)
      case .line(let count):
        lines.lineWasTaken()
        take(rest.extracting(first: count))
        consumed += count + 2
      }
    }
  }

  /// Acts on one line. Precondition: the state is one that waits for lines.
  private mutating func take(_ line: RawSpan) {
    let parsed = SASLLine(line)
    let argument = line.bytes(in: parsed.argument)
    switch state {
    case .awaitingData: state = ClientHandshake.afterData(parsed.command, argument, line)
    case .awaitingOK: state = afterOK(parsed.command, argument, line)
    case .awaitingAgreement(let bus): state = ClientHandshake.afterAgreement(bus, parsed.command, argument, line)
    case .done, .closed: preconditionFailure("no line is due")
    }
  }

  /// DATA, empty, is how the bus asks for the identity; the answer is on its way already.
  private static func afterData(_ command: SASLCommand, _ argument: RawSpan, _ line: RawSpan) -> State {
    if command == .data && argument.byteCount == 0 { return .awaitingOK }
    return .closed(refusal(command, argument, line))
  }

  private func afterOK(_ command: SASLCommand, _ argument: RawSpan, _ line: RawSpan) -> State {
    guard command == .ok else { return .closed(ClientHandshake.refusal(command, argument, line)) }
    guard let bus = BusIdentity(guid: argument, unixFDs: false) else {
      return .closed(.busGUID(HandshakeFailure.excerpt(argument)))
    }
    return negotiateUnixFDs ? .awaitingAgreement(bus) : .done(bus)
  }

  /// ERROR is an answer as good as AGREE_UNIX_FD: the bus passes no descriptors.
  private static func afterAgreement(
    _ bus: BusIdentity, _ command: SASLCommand, _ argument: RawSpan, _ line: RawSpan
  ) -> State {
    switch command {
    case .agreeUnixFD where argument.byteCount == 0: .done(BusIdentity(guid: bus.guid, unixFDs: true))
    case .error: .done(bus)
    case .auth, .cancel, .data, .begin, .negotiateUnixFD, .rejected, .ok, .agreeUnixFD, .unknown:
      .closed(refusal(command, argument, line))
    }
  }

  /// What it means that this line came, and not the one that was due.
  private static func refusal(_ command: SASLCommand, _ argument: RawSpan, _ line: RawSpan) -> HandshakeFailure {
    switch command {
    case .rejected: .busRejected(offered: HandshakeFailure.excerpt(argument))
    case .error: .busError(HandshakeFailure.excerpt(argument))
    case .auth, .cancel, .data, .begin, .negotiateUnixFD, .ok, .agreeUnixFD, .unknown:
      .busLine(HandshakeFailure.excerpt(line))
    }
  }
}
