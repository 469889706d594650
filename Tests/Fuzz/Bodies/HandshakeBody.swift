// Both sides of the authentication protocol. However the bytes are cut, the answers are the same. Input: options (a byte), the length of a
// piece (a byte), what the peer says.

import DBusWire
import GateSession
import GateSimulation

enum HandshakeBody {
  static func run(_ input: [UInt8]) {
    var bytes = Bytes(input)
    let options = bytes.byte(), piece = bytes.byte() % 64 + 1
    let said = Array(bytes.rest)
    if options & 1 == 0 {
      let whole = serve(said, options, piece: said.count), pieces = serve(said, options, piece: piece)
      demand(whole == pieces, "cut, the client is answered \(pieces), not \(whole)")
    } else {
      let whole = greet(said, options, piece: said.count), pieces = greet(said, options, piece: piece)
      demand(whole == pieces, "cut, the bus is answered \(pieces), not \(whole)")
    }
  }

  /// What a client is told, how much of its words were taken, and what came of it.
  private static func serve(_ said: [UInt8], _ options: Int, piece: Int) -> String {
    var wanted = ServerHandshake.Options()
    wanted.anonymous = options & 2 != 0
    var handshake = ServerHandshake(peerUID: options & 4 != 0 ? nil : 1000, options: wanted)
    var output = HandshakeOutput()
    var text = "", taken = 0, offered = min(piece, said.count)
    while true {
      let (consumed, step) = handshake.receive(Array(said[taken..<offered]).span.bytes, into: &output)
      taken += consumed
      demand(taken <= offered, "more was taken than there was")
      text += drain(&output)
      switch step {
      case .needsBytes:
        demand(offered - taken < 16_384, "a line without an end")
        if offered == said.count { return "\(text) \(taken) needs bytes" }
        offered = min(said.count, offered + piece)
      case .needsRoom: continue
      case .needsBus: handshake.provide(bus: BusIdentity(guid: Rig.identity.guid, unixFDs: options & 8 != 0), into: &output)
      case .needsIdentity: handshake.provide(identityAccepted: options & 16 != 0, into: &output)
      case .begun(let unixFDs):
        demand(!unixFDs || options & 8 != 0, "descriptors were agreed that the bus does not take")
        demand(text.contains("OK "), "begun without OK")
        return "\(text) \(taken) begun \(unixFDs)"
      case .close(let failure): return "\(text) \(taken) \(failure)"
      }
    }
  }

  /// What a bus is told, how much of its words were taken, and what came of it.
  private static func greet(_ said: [UInt8], _ options: Int, piece: Int) -> String {
    var handshake = ClientHandshake(
      uid: options & 2 != 0 ? nil : 500, anonymous: options & 4 != 0, negotiateUnixFDs: options & 8 != 0)
    var output = HandshakeOutput()
    handshake.start(into: &output)
    var text = drain(&output), taken = 0, offered = min(piece, said.count)
    while true {
      let (consumed, step) = handshake.receive(Array(said[taken..<offered]).span.bytes)
      taken += consumed
      demand(taken <= offered, "more was taken than there was")
      switch step {
      case .needsBytes:
        demand(offered - taken < 16_384, "a line without an end")
        if offered == said.count { return "\(text) \(taken) needs bytes" }
        offered = min(said.count, offered + piece)
      case .done(let identity):
        demand(!identity.unixFDs || options & 8 != 0, "descriptors were agreed unasked")
        text += "\(identity.unixFDs) \(taken)"
        return text
      case .close(let failure): return "\(text) \(taken) \(failure)"
      }
    }
  }

  private static func drain(_ output: inout HandshakeOutput) -> String {
    let text = output.withBytes { bytes in bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    output.removeAll(keepingCapacity: true)
    return text
  }
}
