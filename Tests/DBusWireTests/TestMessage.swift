// Messages for tests, written the slow and obvious way, well-formed or not.

import DBusWire

/// A message under construction. Nothing is checked: tests write what they like.
struct TestMessage {
  var byteOrder: ByteOrder
  var bytes: [UInt8]
  var bodyCount = 0
  /// Bytes of the header fields, without the padding after them.
  private(set) var fieldsCount = 0

  init(_ type: UInt8, _ byteOrder: ByteOrder = .little, flags: UInt8 = 0, serial: UInt32 = 7) {
    self.byteOrder = byteOrder
    bytes = [byteOrder.rawValue, type, flags, 1]
    add(0 as UInt32)
    add(serial)
    add(0 as UInt32)
  }

  mutating func add(_ value: UInt32) { bytes += Self.bytes(value, byteOrder) }

  static func bytes(_ value: UInt32, _ byteOrder: ByteOrder) -> [UInt8] {
    let little = [UInt8(value & 0xFF), UInt8(value >> 8 & 0xFF), UInt8(value >> 16 & 0xFF), UInt8(value >> 24)]
    return byteOrder == .little ? little : little.reversed()
  }

  mutating func set(_ value: UInt32, at offset: Int) {
    bytes.replaceSubrange(offset..<offset + 4, with: Self.bytes(value, byteOrder))
  }

  mutating func pad(_ alignment: Int, with byte: UInt8 = 0) {
    while bytes.count % alignment != 0 { bytes.append(byte) }
  }

  /// A field with a variant of any signature, whose value is given as bytes (the padding before it, too).
  mutating func field(_ code: UInt8, _ signature: String, raw: [UInt8]) {
    pad(8)
    bytes += [code, UInt8(signature.utf8.count)] + Array(signature.utf8) + [0] + raw
    fieldsCount = bytes.count - 16
  }

  mutating func field(_ code: UInt8, string: String, type: String = "s") {
    field(code, type, raw: Self.bytes(UInt32(string.utf8.count), byteOrder) + Array(string.utf8) + [0])
  }

  mutating func field(_ code: UInt8, signature: String) {
    field(code, "g", raw: [UInt8(signature.utf8.count)] + Array(signature.utf8) + [0])
  }

  mutating func field(_ code: UInt8, number: UInt32) { field(code, "u", raw: Self.bytes(number, byteOrder)) }

  /// Ends the header, writes the lengths and adds the body.
  func message(body: [UInt8] = []) -> [UInt8] {
    var copy = self
    copy.set(UInt32(fieldsCount), at: 12)
    copy.set(UInt32(body.count), at: 4)
    copy.pad(8)
    return copy.bytes + body
  }
}

extension TestMessage {
  /// Well-formed messages of all types, with all fields and with as few as possible.
  static func wellFormed(_ order: ByteOrder) -> [[UInt8]] {
    var call = TestMessage(1, order)
    call.field(1, string: "/org/freedesktop/DBus", type: "o")
    call.field(2, string: "org.freedesktop.DBus")
    call.field(3, string: "AddMatch")
    call.field(6, string: "org.freedesktop.DBus")
    call.field(7, string: ":1.42")
    call.field(8, signature: "s")
    call.field(9, number: 3)
    call.field(10, string: "/org/freedesktop/DBus/Containers1/c1", type: "o")
    var short = TestMessage(1, order)
    short.field(3, string: "M")
    short.field(1, string: "/", type: "o")
    var reply = TestMessage(2, order)
    reply.field(5, number: 99)
    var error = TestMessage(3, order, flags: 0xF1)
    error.field(5, number: 0xFFFF_FFFF)
    error.field(4, string: "org.example.Error.Failed")
    var signal = TestMessage(4, order)
    signal.field(1, string: "/a/b", type: "o")
    signal.field(2, string: "a.b")
    signal.field(3, string: "Changed")
    signal.field(8, signature: "")
    signal.field(200, "(sv)", raw: [0] + bytes(1, order) + [0x61, 0, 1, 0x79, 0, 7])
    let unknown = TestMessage(77, order)
    return [
      call.message(body: bytes(1, order) + [0x61, 0]), short.message(), reply.message(), error.message(), signal.message(),
      unknown.message(),
    ]
  }
}

/// Reads a header as a caller would. Throws as that would, and `nil` where there are not enough bytes.
func readHeader(_ bytes: [UInt8]) throws(WireError) -> MessageHeader? {
  let span = bytes.span.bytes
  guard span.byteCount >= MessageFrame.byteCount else { return nil }
  let frame = try MessageFrame(span)
  guard span.byteCount >= frame.headerByteCount else { return nil }
  var header = MessageHeader()
  try header.read(span, frame: frame)
  return header
}

/// What reading the header of `bytes` throws, if anything.
func headerError(_ bytes: [UInt8]) -> WireError? {
  do {
    _ = try readHeader(bytes)
    return nil
  } catch {
    return error
  }
}

extension [UInt8] {
  /// The bytes of `range`, as text.
  func text(_ range: ByteRange) -> String {
    String(decoding: self[Int(range.offset)..<Int(range.offset) + Int(range.count)], as: UTF8.self)
  }
}
