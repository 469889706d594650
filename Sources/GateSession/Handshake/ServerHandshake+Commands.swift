// What the client's commands mean in each state: the server's table of the specification. Where it leaves a choice, the choice is
// named. Called by ServerHandshake.receive with one line at a time.

import DBusWire

extension ServerHandshake {
  /// Acts on one line. Precondition: the state is one that waits for lines.
  mutating func take(_ line: RawSpan, into output: inout HandshakeOutput) {
    let parsed = SASLLine(line)
    let argument = line.bytes(in: parsed.argument)
    switch state {
    case .awaitingAuth: takeWhileAwaitingAuth(parsed.command, argument, into: &output)
    case .awaitingData: takeWhileAwaitingData(parsed.command, argument, into: &output)
    case .awaitingBegin: takeWhileAwaitingBegin(parsed.command, argument, into: &output)
    case .awaitingNUL, .awaitingIdentity, .awaitingBus, .begun, .closed: preconditionFailure("no line is due")
    }
  }

  /// Spec: "auth-states-server", WaitingForAuth.
  private mutating func takeWhileAwaitingAuth(_ command: SASLCommand, _ argument: RawSpan, into output: inout HandshakeOutput) {
    switch command {
    case .auth: startMechanism(argument, into: &output)
    case .begin: state = .closed(.beginBeforeAuth)
    case .error: reject(into: &output)
    case .cancel, .data: sendError("not in an authentication conversation", into: &output)
    case .negotiateUnixFD: sendError("authenticate first", into: &output)
    case .rejected, .ok, .agreeUnixFD, .unknown: sendError("unknown command", into: &output)
    }
  }

  /// Spec: "auth-states-server", WaitingForData.
  private mutating func takeWhileAwaitingData(_ command: SASLCommand, _ argument: RawSpan, into output: inout HandshakeOutput) {
    switch command {
    case .data: judgeExternal(ExternalIdentity(hex: argument), into: &output)
    case .begin: state = .closed(.beginBeforeAuth)
    case .cancel, .error: reject(into: &output)
    case .auth: sendError("an authentication is under way", into: &output)
    case .negotiateUnixFD: sendError("authenticate first", into: &output)
    case .rejected, .ok, .agreeUnixFD, .unknown: sendError("unknown command", into: &output)
    }
  }

  /// Spec: "auth-states-server", WaitingForBegin.
  ///
  /// AUTH is "anything else" there, so it is answered with ERROR and changes nothing, as in dbus-daemon and dbus-broker.
  private mutating func takeWhileAwaitingBegin(_ command: SASLCommand, _ argument: RawSpan, into output: inout HandshakeOutput) {
    switch command {
    case .begin:
      guard case .awaitingBegin(let agreed) = state else { preconditionFailure("BEGIN is not due") }
      state = .begun(negotiatedUnixFDs: agreed)
    case .negotiateUnixFD: negotiateUnixFDs(argument, into: &output)
    case .cancel, .error: reject(into: &output)
    case .auth, .data: sendError("BEGIN is due", into: &output)
    case .rejected, .ok, .agreeUnixFD, .unknown: sendError("unknown command", into: &output)
    }
  }

  /// AUTH: a mechanism, and perhaps an initial response; bare, the question which there are.
  private mutating func startMechanism(_ argument: RawSpan, into output: inout HandshakeOutput) {
    let wordEnd = argument.firstOffset(of: UInt8(ascii: " ")) ?? argument.byteCount
    let mechanism = argument.extracting(first: wordEnd)
    let response = argument.extracting(droppingFirst: min(wordEnd + 1, argument.byteCount))
    if mechanism.isEqual(to: "EXTERNAL") && offersExternal {
      startExternal(response, into: &output)
    } else if mechanism.isEqual(to: "ANONYMOUS") && options.anonymous && response.isHexadecimal {
      // The trace that may come along is for logs by RFC 4505; nobody vouches for it, so it is not kept.
      accept(into: &output)
    } else {
      reject(into: &output)
    }
  }

  /// An empty initial response is asked for again, as dbus-daemon and dbus-broker do: clients pipeline the DATA that answers it.
  private mutating func startExternal(_ response: RawSpan, into output: inout HandshakeOutput) {
    let identity = ExternalIdentity(hex: response)
    if identity == .unstated {
      output.append("DATA\r\n")
      state = .awaitingData
    } else {
      judgeExternal(identity, into: &output)
    }
  }

  /// A response that isn't hexadecimal is rejected, as by dbus-broker; dbus-daemon answers ERROR and goes on waiting.
  private mutating func judgeExternal(_ identity: ExternalIdentity, into output: inout HandshakeOutput) {
    guard let peerUID else { return reject(into: &output) }
    switch identity {
    case .unstated: accept(into: &output)
    case .uid(let uid) where uid == peerUID: accept(into: &output)
    case .uid(let uid): state = .awaitingIdentity(uid)
    case .malformed: reject(into: &output)
    }
  }

  /// NEGOTIATE_UNIX_FD has no argument; with one it is refused, as by dbus-broker.
  private mutating func negotiateUnixFDs(_ argument: RawSpan, into output: inout HandshakeOutput) {
    if argument.byteCount == 0 && bus?.unixFDs == true {
      output.append("AGREE_UNIX_FD\r\n")
      state = .awaitingBegin(agreedUnixFDs: true)
    } else {
      sendError("descriptors cannot be passed here", into: &output)
    }
  }

  /// The client is authenticated: OK, as soon as the bus is known.
  mutating func accept(into output: inout HandshakeOutput) {
    if let bus { sendOK(bus, into: &output) } else { state = .awaitingBus }
  }

  mutating func sendOK(_ bus: BusIdentity, into output: inout HandshakeOutput) {
    output.append("OK ")
    output.append(bus.guid)
    output.append("\r\n")
    state = .awaitingBegin(agreedUnixFDs: false)
  }

  /// REJECTED, with the mechanisms that could do; whatever was agreed is forgotten.
  mutating func reject(into output: inout HandshakeOutput) {
    output.append("REJECTED")
    if offersExternal { output.append(" EXTERNAL") }
    if options.anonymous { output.append(" ANONYMOUS") }
    output.append("\r\n")
    rejects += 1
    state = rejects < ServerHandshake.rejectsMax ? .awaitingAuth : .closed(.tooManyRejects)
  }

  /// Without credentials EXTERNAL can't succeed, so it isn't offered either.
  private var offersExternal: Bool { options.external && peerUID != nil }

  private func sendError(_ text: String, into output: inout HandshakeOutput) {
    output.append("ERROR \"\(text)\"\r\n")
  }
}

extension RawSpan {
  /// Whether these are whole bytes in hexadecimal digits; no digits are, too.
  fileprivate var isHexadecimal: Bool {
    guard byteCount.isMultiple(of: 2) else { return false }
    for offset in 0..<byteCount where hexDigitValue(byte(at: offset)) == nil { return false }
    return true
  }
}
