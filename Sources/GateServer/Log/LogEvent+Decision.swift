// A decision as an event: what the header says about the message, what was decided and by which rule.

import DBusWire
import GatePolicy
import GateSession

extension LogEvent {
  /// Adds what is known about the message.
  ///
  /// - Parameters:
  ///   - name: The client's name on the bus; empty as long as it has none.
  ///   - peerName: The well-known name behind the unique one at the other end, if it is known.
  mutating func describe(_ message: DecidedMessage, _ bytes: RawSpan, name: String, peerName: String?) {
    let header = message.header
    func add(_ key: LogKey, _ range: ByteRange) {
      if range.isAbsent { return }
      // What is cut anyway is not copied first.
      let part = bytes.bytes(in: range)
      let kept = part.extracting(0..<min(part.byteCount, Self.textBytesMax + 1))
      self.add(key, String(decoding: unsafe kept.withUnsafeBytes { unsafe Array($0) }, as: UTF8.self))
    }
    self.add(.direction, message.side == .client ? "outgoing" : "incoming")
    self.add(.type, Self.name(of: header.frame.type))
    if message.side == .client {
      if !name.isEmpty { self.add(.sender, name) }
    } else {
      add(.sender, header.sender)
    }
    add(.destination, header.destination)
    if let peerName { self.add(.name, peerName) }
    add(.path, header.path)
    add(.interface, header.interface)
    add(.member, header.member)
    add(.about, message.about)
    add(.error, header.errorName)
    add(.signature, header.signature)
    self.add(.serial, header.frame.serial)
    if header.replySerial != 0 { self.add(.replySerial, header.replySerial) }
    self.add(.bytes, header.frame.messageByteCount)
    if header.unixFDs > 0 { self.add(.fds, header.unixFDs) }
  }

  /// Adds what was decided, and why.
  mutating func explain(_ message: DecidedMessage, _ bytes: RawSpan, by policy: Policy) {
    let verdict = message.verdict
    add(.reason, verdict.reason.word)
    if verdict.rule >= 0 { add(.rule, Self.place(of: Int(verdict.rule), in: policy)) }
    guard let miss = Self.nearestMiss(message, bytes, policy) else { return }
    add(.nearest, Self.place(of: miss.rule, in: policy))
    add(.miss, miss.parts.map(\.rawValue).joined(separator: ","))
  }

  /// The rule that could have allowed the message, where a rule could have.
  private static func nearestMiss(_ message: DecidedMessage, _ bytes: RawSpan, _ policy: Policy) -> NearestMiss? {
    guard message.verdict.reason.entry.isForWantOfRule else { return nil }
    let header = message.header
    let query = RuleQuery(
      direction: message.side.direction, isSignal: header.frame.type == .signal,
      interface: bytes.bytes(in: header.interface), path: bytes.bytes(in: header.path),
      member: bytes.bytes(in: header.member), descriptors: Int(header.unixFDs),
      name: message.side == .client ? bytes.bytes(in: header.destination) : RawSpan())
    return policy.nearestMiss(query, literally: message.verdict.reason == .driverClosed)
  }

  private static func place(of rule: Int, in policy: Policy) -> String {
    let location = policy.rules[rule].location
    return "\(location.file):\(location.line)"
  }

  private static func name(of type: MessageType) -> String {
    switch type {
    case .methodCall: "method_call"
    case .methodReturn: "method_return"
    case .error: "error"
    case .signal: "signal"
    default: "\(type.rawValue)"  // not an enumeration: a type that nobody knows
    }
  }
}
