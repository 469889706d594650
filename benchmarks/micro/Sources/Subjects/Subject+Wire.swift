// Headers and handshakes.

import DBusWire
import GateSession

extension Subject {
  static var wire: [Subject] {
    [
      Subject("header of a call", operations: 1) { readHeader(Message.call(1, kind: nil)) },
      Subject("header of a return") { readHeader(Message.answer(to: 1)) },
      Subject("header of a signal") { readHeader(Message.signal(1)) },
      Subject("SASL handshake of a client") { { authenticate() } },
    ]
  }

  private static func readHeader(_ bytes: [UInt8]) -> () -> Void {
    var header = MessageHeader()
    return {
      do {
        let message = bytes.span.bytes
        try header.read(message, frame: MessageFrame(message))
      } catch {
        fatalError("\(error)")
      }
    }
  }

  private static let lines = Array("\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".utf8)

  /// The server's side up to BEGIN, as a client pipelines it, with everything it needs to be told.
  private static func authenticate() {
    var machine = ServerHandshake(peerUID: 1000, options: ServerHandshake.Options())
    var output = HandshakeOutput()
    machine.provide(bus: Conversation.bus, into: &output)
    let (consumed, step) = machine.receive(lines.span.bytes, into: &output)
    precondition(consumed == lines.count && output.count > 0, "the handshake stopped at \(step)")
  }
}
