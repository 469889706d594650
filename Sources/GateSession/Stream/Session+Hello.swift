// Before the connection to the bus is there. It is asked for when a whole Hello is in hand, so that whoever says nothing, or half of it,
// costs the bus nothing; Hello then leaves with the gate's handshake in one write, and what stands behind it waits until the bus has
// taken that.

import DBusWire
import GatePolicy

extension Session {
  /// Decides on a message of a client whose bus is not there yet. Nil: it is Hello, goes with the handshake, and is decided on as any other.
  ///
  /// Spec: "bus-messages-hello".
  @inline(never)
  mutating func decideBeforeBus(
    _ message: MessageView, descriptors: Int, agreed: (sender: Bool, receiver: Bool), _ policy: Policy, _ output: inout Output
  ) -> Progress? {
    let early = mediator.checkLimits(message, .client, descriptors, agreed) ?? admitBeforeBus(message, &output)
    guard case .decided(let decision) = early else { return early }
    return mediator.carryOut(decision, message, .client, policy, &output)
  }

  /// What keeps a message from being decided on before the bus is there. Nil: nothing, it is Hello.
  private mutating func admitBeforeBus(_ message: MessageView, _ output: inout Output) -> Progress? {
    if mediator.registration.phase != .unsaid { return .wait(.bus) }
    let isHello = mediator.isHello(message)
    if let verdict = mediator.refusalBeforeHello(message, isHello: isHello) { return .decided(verdict) }
    switch handshakes.busPhase {
    case .absent:
      handshakes.requestBus(helloByteCount: isHello ? message.header.frame.messageByteCount : 0)
      output.requests.insert(.connectBus)
      return .wait(.bus)
    case .requested:
      return .wait(.bus)
    case .handshake:
      if isHello && !(mediator.settings.saysHello && message.header.destination.isAbsent) { return nil }
      mediator.sayHello(avoiding: message.serial, &output)
      return .wait(.bus)
    case .open:
      preconditionFailure("the bus is there")
    }
  }

  /// Whether the client has said Hello and nothing else, and it is not answered: of one that leaves then, nobody need hear.
  ///
  /// - Parameter unconsumed: How many bytes of the client's were read and not dealt with.
  public func saidOnlyHello(unconsumed: Int) -> Bool {
    switch handshakes.busPhase {
    case .absent: return false
    case .requested: return unconsumed == handshakes.helloByteCount
    case .handshake, .open:
      if mediator.registration.phase != .asked || unconsumed > 0 || fromClient.stream.remaining > 0 { return false }
      let messages = (0..<SessionCounters.typeCount).reduce(0) { $0 + counters.messages(from: .client, .allow, type: $1) }
      return messages == 1
    }
  }

  /// Whether the bus has answered Hello, be it with an error.
  public var isHelloAnswered: Bool {
    switch mediator.registration.phase {
    case .unsaid, .askedByGate: false
    case .asked: counters.bytes(from: .bus, forwarded: true) > 0
    case .answered: true
    }
  }
}
