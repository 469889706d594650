// A message that was decided on, as the log tells decisions apart.

import DBusWire
import GateSession

/// A message that was decided on, and where it came from. Its bytes are given with every call: they are the server's.
struct DecidedMessage {
  let header: MessageHeader
  let verdict: Verdict
  let side: Side
  /// Where the name stands that the driver was asked about, if the call was denied.
  var about = ByteRange()

  /// Reads the header of `message`, whose first byte it begins with, again.
  init(_ message: RawSpan, _ verdict: Verdict, from side: Side) {
    self.verdict = verdict
    self.side = side
    do throws(WireError) {
      let frame = try MessageFrame(message)
      var header = MessageHeader(frame: frame)
      if verdict.reason != .headerTooLong { try header.read(message, frame: frame) }
      self.header = header
    } catch {
      preconditionFailure("a message that was decided on cannot be read again")
    }
  }

  /// The unique name of the other end, or whatever stands there.
  var peer: ByteRange { side == .client ? header.destination : header.sender }

  /// Whether DESTINATION is the client's unique name, which is another for the next client.
  private func isToClient(_ bytes: RawSpan) -> Bool {
    if side == .client || header.destination.isAbsent || verdict.reason == .notAddressed { return false }
    let name = bytes.bytes(in: header.destination)
    return name.byteCount > 0 && name.byte(at: 0) == UInt8(ascii: ":")
  }

  /// What decisions have in common that are counted as one, as a number.
  ///
  /// - Parameter kin: What their clients have in common.
  func key(_ bytes: RawSpan, _ seed: SeededHash, kin: UInt64, policy: UInt64) -> UInt64 {
    var key = seed.hash(kin, policy)
    key = seed.hash(key, UInt64(side.rawValue) | UInt64(header.frame.type.rawValue) << 8 | UInt64(verdict.action.rawValue) << 16)
    key = seed.hash(key, UInt64(bitPattern: Int64(verdict.reason.hashValue)))
    key = seed.hash(key, UInt64(UInt32(bitPattern: verdict.rule)))
    key = seed.hash(key, seed.hash(bytes.bytes(in: side == .bus ? header.sender : ByteRange())))
    key = seed.hash(key, seed.hash(bytes.bytes(in: isToClient(bytes) ? ByteRange() : header.destination)))
    key = seed.hash(key, seed.hash(bytes.bytes(in: header.path)))
    key = seed.hash(key, seed.hash(bytes.bytes(in: header.interface)))
    key = seed.hash(key, seed.hash(bytes.bytes(in: header.member)))
    key = seed.hash(key, seed.hash(bytes.bytes(in: about)))
    return seed.hash(key, seed.hash(bytes.bytes(in: header.errorName)))
  }
}
