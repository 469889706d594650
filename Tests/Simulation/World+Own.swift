// What the gate says itself: at most one answer to each call, none that nobody asked for, and only between messages.

import DBusWire
import GateSession

extension World {
  /// Reads what the gate has said to `side` since the last time, and compares it with what it had to say.
  func checkOwn(_ side: Side) throws {
    if side == .client { skipLines() }
    if side == .client && linesAwaited > 0 { return }
    let own = rig.peer(side).own
    let seen = side == .client ? ownSeen.client : ownSeen.bus
    if own.count <= seen { return }
    let (messages, rest) = try Arrived.all(in: Array(own[seen...]))
    for message in messages { try compare(message, side) }
    if side == .client { ownSeen.client = own.count - rest.count } else { ownSeen.bus = own.count - rest.count }
  }

  /// The lines of the handshake come first.
  private func skipLines() {
    let own = rig.client.own
    while linesAwaited > 0, let end = own[ownSeen.client...].firstIndex(of: UInt8(ascii: "\n")) {
      ownSeen.client = end + 1
      linesAwaited -= 1
      if linesAwaited == 0 { ownStart.client = ownSeen.client }
    }
  }

  private func compare(_ message: Arrived, _ side: Side) throws {
    let word =
      switch message.type {
      case .error: String(message.errorName.split(separator: ".").last ?? "")
      case .methodReturn: "return"
      default: message.member
      }
    var said = ReferenceGate.Own(
      word: word, replySerial: message.replySerial, destination: message.destination, serial: message.serial)
    let due = side == .client ? gate.toClient : gate.toBus
    let count = side == .client ? ownCount.client : ownCount.bus
    guard count < due.count else { throw Failure("the gate told the \(side) \(said), unasked") }
    // Calls of the gate's own, and lists of names, are looked at for what they say.
    if due[count].texts != nil { said.texts = message.signature == "as" ? message.texts : [message.text] }
    if said != due[count] { throw Failure("the gate told the \(side) \(said), expected \(due[count])") }
    if side == .client && message.sender != ReferenceGate.driver { throw Failure("an answer from \"\(message.sender)\"") }
    if message.type != .methodCall && message.flags & Draft.noReply == 0 { throw Failure("an answer that asks for an answer") }
    if message.type == .error && !message.text.hasPrefix("busgate: ") { throw Failure("an error that says \"\(message.text)\"") }
    if side == .client { ownCount.client += 1 } else { ownCount.bus += 1 }
  }
}
