import DBusWire

/// Writes values, with the padding that they need, from an offset that is a multiple of 8.
struct Values {
  let order: ByteOrder
  var bytes: [UInt8] = []

  mutating func pad(_ alignment: Int) { while bytes.count % alignment != 0 { bytes.append(0) } }
  mutating func raw(_ more: [UInt8]) { bytes += more }
  mutating func uint32(_ value: UInt32) {
    pad(4)
    bytes += TestMessage.bytes(value, order)
  }
  mutating func string(_ text: String) {
    uint32(UInt32(text.utf8.count))
    bytes += Array(text.utf8) + [0]
  }
  mutating func signature(_ text: String) { bytes += [UInt8(text.utf8.count)] + Array(text.utf8) + [0] }
  mutating func fixed(_ alignment: Int) {
    pad(alignment)
    bytes += [UInt8](repeating: 0xFF, count: alignment)
  }
  /// An array of what `elements` writes, whose type has that alignment.
  mutating func array(_ alignment: Int, _ elements: (inout Values) -> Void) {
    uint32(0)
    let length = bytes.count - 4
    pad(alignment)
    let start = bytes.count
    elements(&self)
    bytes.replaceSubrange(length..<length + 4, with: TestMessage.bytes(UInt32(bytes.count - start), order))
  }

  static func make(_ order: ByteOrder, _ write: (inout Values) -> Void) -> [UInt8] {
    var values = Values(order: order)
    write(&values)
    return values.bytes
  }
}
