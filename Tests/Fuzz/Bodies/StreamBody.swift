// A session to which both peers say whatever bytes there are: what is no message, half a message, many messages. Nobody can say what each
// of them should have led to, so less is asked than in the simulated world: what leaves is made of whole messages, in their order, each of
// which the rules allow or nothing forbids; no descriptor is lost; nothing grows without bound.
// Input: options (a byte), then operations: a byte that says which, and what it needs.

import DBusWire
import GatePolicy
import GateSession
import GateSimulation

enum StreamBody {
  private static let document = """
    {"dbus-gateway-config-session": [
      {"direction": "*", "interface": "org.foo.*", "object-path": "/foo*", "method": ["Do", "Sig"]},
      {"direction": "outgoing", "interface": "org.freedesktop.DBus", "object-path": "*", "method": "RequestName"},
      {"direction": "outgoing", "interface": "org.freedesktop.DBus.Monitoring", "object-path": "*", "method": "BecomeMonitor"},
      {"direction": "*", "interface": "*", "object-path": "*", "method": "Secret", "action": "deny"}]}
    """
  private static let rules = try! GatewayDocument.parse(Array(document.utf8), file: "stream.json").sessionRules

  static func run(_ input: [UInt8]) {
    var bytes = Bytes(input)
    let options = bytes.byte()
    let rig = Rig(policy: Policy(rules: rules, busName: "FUZZ"), known: options & 1 == 0 ? Rig.identity : nil) {
      $0.limits.ownOutputBytesMax = 8192
      $0.limits.headerBytesMax = 1024
      $0.limits.inspectBytesMax = 2048
      $0.limits.pendingRepliesMax = 8
      $0.limits.matchesMax = 4
      $0.opensNames = options & 2 != 0
      $0.saysHello = options & 4 != 0
      $0.logging = options & 8 != 0 ? .everything : .denied
    }
    rig.splicesBodies = options & 64 != 0
    if options & 16 == 0 {
      rig.authenticate(unixFDs: options & 32 == 0)
      rig.feed(.driver(1, "Hello"), from: .client)
      let own: UInt32 = options & 4 != 0 ? .max : 1
      rig.feed(.answer(1, to: own, of: Rig.name, from: "org.freedesktop.DBus").with([.string(Rig.name)]), from: .bus)
      rig.feed(.answer(2, to: 1, of: Rig.name, from: "org.freedesktop.DBus").with([.string(Rig.name)]), from: .bus)
      rig.forget()
    }
    var steps = 0
    while !bytes.isEmpty && steps < 500 && rig.close == nil {
      operate(rig, &bytes)
      check(rig)
      steps += 1
    }
    if options & 16 == 0 { checkMessages(rig) }
  }

  private static func operate(_ rig: Rig, _ bytes: inout Bytes) {
    let operation = bytes.byte()
    let side: Side = operation & 1 == 0 ? .client : .bus
    switch operation >> 1 & 7 {
    case 0...3:
      let said = bytes.take(operation & 0x80 == 0 ? bytes.byte() : bytes.number() % 4096)
      // A bus does not speak before it is connected to, and a server does not read before the session wants to.
      if (side == .bus && !rig.isOpen) || !rig.wantsBytes(side) || said.isEmpty { return }
      rig.feed(said, descriptors: operation >> 1 & 3 == 3 ? bytes.byte() % 20 : 0, from: side)
    case 4: rig.give(side, room: bytes.byte())
    case 5: rig.unstall(side)
    case 6:
      rig.advance(UInt64(bytes.byte()) << 8)
      if let reason = rig.expired { rig.end(reason) }
    default: rig.reload(Policy(rules: bytes.byte() & 1 == 0 ? rules : [], busName: "FUZZ"))
    }
  }

  private static func check(_ rig: Rig) {
    demand(rig.failures.isEmpty, "\(rig.failures)")
    let placed = rig.bus.descriptors.count + rig.client.descriptors.count + rig.closed.count
    demand(
      placed + rig.held(.client).count + rig.held(.bus).count == rig.descriptorsGiven, "descriptors were lost, or made")
    for side in [Side.client, .bus] {
      demand(rig.own(to: side) <= 8192, "own output without bound")
      demand(rig.session.pendingReplies(.outgoing) <= 9, "calls without bound")
      if rig.close == nil && rig.wantsBytes(side) { demand(rig.unconsumed(side) < 24_576, "bytes are kept without bound") }
    }
  }

  /// What left: whole messages, none of which a rule forbids, and for the bus none that nothing allows.
  private static func checkMessages(_ rig: Rig) {
    var isMonitor = false
    for side in [Side.bus, .client] {
      do {
        for message in try Arrived.all(in: rig.peer(side).stream).messages {
          if side == .bus && message.member == "BecomeMonitor" { isMonitor = true }
          demand(message.member != "Secret" || (side == .client && isMonitor), "a denied message left for the \(side)")
          if side == .client || message.type == .methodReturn || message.type == .error { continue }
          let isToDriver =
            message.destination == "org.freedesktop.DBus" || (message.type == .methodCall && message.destination.isEmpty)
          let isOpen =
            (message.interface.hasPrefix("org.foo.") && ["Do", "Sig"].contains(message.member))
            || ["RequestName", "BecomeMonitor"].contains(message.member)
          demand(isToDriver || isOpen, "\(message.interface).\(message.member) left for \(message.destination)")
        }
      } catch {
        fatalError("what left for the \(side) is malformed: \(error)")
      }
    }
  }
}
