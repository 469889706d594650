// What the gate itself asks the bus, as the simulated bus reads it.

import DBusWire

/// A call of the gate's own that expects an answer.
struct OwnCall {
  let serial: UInt32
  let member: String
  /// The first argument, where that is a string.
  let argument: String

  /// The message that `bytes` begin with: how long it is, and the call if it is one that expects an answer. Nil at the end.
  static func first(in bytes: [UInt8]) -> (count: Int, call: OwnCall?)? {
    let span = unsafe bytes.span.bytes
    do throws(WireError) {
      if span.byteCount == 0 { return nil }
      let frame = try MessageFrame(span)
      var header = MessageHeader(frame: frame)
      try header.read(span, frame: frame)
      let count = frame.messageByteCount
      if frame.type != .methodCall || frame.flags.contains(.noReplyExpected) { return (count, nil) }
      let body = span.extracting(frame.headerByteCount..<count)
      var argument = ""
      if header.signature.count > 0 {
        let place = try MessageArguments.leadingString(
          in: body, byteOrder: frame.byteOrder, signature: span.bytes(in: header.signature), expected: "s")
        argument = String(decoding: bytes[(frame.headerByteCount + Int(place.offset))...].prefix(Int(place.count)), as: UTF8.self)
      }
      let member = String(decoding: bytes[Int(header.member.offset)...].prefix(Int(header.member.count)), as: UTF8.self)
      return (count, OwnCall(serial: frame.serial, member: member, argument: argument))
    } catch {
      preconditionFailure("the gate says what is no message: \(error)")
    }
  }
}
