// Before the connection to the bus is there. It is asked for when a whole Hello is in hand, so that whoever says nothing, or half of it,
// costs the bus nothing; Hello then leaves with the gate's handshake in one write, and what stands behind it waits until the bus has
// taken that.

import DBusWire
import GatePolicy

extension Session {
  /// What becomes of a message as long as the bus has not taken the gate's handshake.
  enum BeforeBus {
    case refused(Verdict)
    /// It has to wait; the output says for what.
    case waits
    /// It is Hello, and goes with the handshake.
    case isHello
  }

  /// Decides on a message of a client whose bus is not there yet.
  ///
  /// Spec: "bus-messages-hello".
  @inline(never)
  mutating func judgeBeforeBus(_ message: RawSpan, _ header: MessageHeader, _ output: inout Output) -> BeforeBus {
    output.wait = .bus
    if helloPhase != .unsaid { return .waits }
    if let verdict = refusalBeforeHello(message, header) {
      output.wait = .bytes
      return .refused(verdict)
    }
    switch busPhase {
    case .absent:
      busPhase = .requested
      if isHello(message, header) { helloByteCount = header.frame.messageByteCount }
      output.requests.insert(.connectBus)
      return .waits
    case .requested:
      return .waits
    case .handshake:
      output.wait = .bytes
      if isHello(message, header) && !(settings.saysHello && header.destination.isAbsent) { return .isHello }
      sayHello(avoiding: header.frame.serial, &output)
      output.wait = .bus
      return .waits
    case .open:
      preconditionFailure("the bus is there")
    }
  }

  /// Whether the client has said Hello and nothing else, and it is not answered: of one that leaves then, nobody need hear.
  ///
  /// - Parameter unconsumed: How many bytes of the client's were read and not dealt with.
  public func saidOnlyHello(unconsumed: Int) -> Bool {
    switch busPhase {
    case .absent: return false
    case .requested: return unconsumed == helloByteCount
    case .handshake, .open:
      if helloPhase != .asked || unconsumed > 0 || fromClient.remaining > 0 { return false }
      let messages = (0..<SessionCounters.typeCount).reduce(0) { $0 + counters.messages(from: .client, .allow, type: $1) }
      return messages == 1
    }
  }

  /// Whether the bus has answered Hello, be it with an error.
  public var isHelloAnswered: Bool {
    switch helloPhase {
    case .unsaid, .askedByGate: false
    case .asked: counters.bytes(from: .bus, forwarded: true) > 0
    case .answered: true
    }
  }

  /// Why a first message is none that a connection to the bus is opened for; nil if it is one.
  private func refusalBeforeHello(_ message: RawSpan, _ header: MessageHeader) -> Verdict? {
    if !header.containerInstance.isAbsent && !settings.isUnfiltered { return Verdict(.deny, .containerInstance) }
    switch header.frame.type {
    case .methodCall, .signal: break
    case .methodReturn, .error: return Verdict(.drop, .strayReply)
    default: return Verdict(.drop, .unknownType)
    }
    if isHello(message, header) {
      // So that all of it is here with its header, and the bus has no reason to leave it without an answer.
      let isWellFormed = header.frame.bodyByteCount == 0 && header.signature.isAbsent && header.unixFDs == 0
      return isWellFormed ? nil : Verdict(.deny, .driverArguments)
    }
    return settings.saysHello ? nil : Verdict(.deny, .beforeHello)
  }
}
