// A message out of what is known about it, as bytes that a session can be given. MessageBuilder of DBusWire writes what the gate says
// itself, into memory of the caller's; this writes what peers say, with a body of strings and numbers.

import DBusWire

/// Writes one message, little-endian.
struct MessageWriter {
  static let driver = "org.freedesktop.DBus"
  static let driverPath = "/org/freedesktop/DBus"

  private var fields: [UInt8] = []
  private var signature = ""
  private var body: [UInt8] = []

  mutating func field(_ field: HeaderField, _ text: String) {
    if text.isEmpty { return }
    begin(field)
    if field == .signature {
      fields.append(UInt8(text.utf8.count))
    } else {
      append(UInt32(text.utf8.count), to: &fields)
    }
    fields += Array(text.utf8) + [0]
  }

  mutating func field(_ field: HeaderField, _ number: UInt32) {
    begin(field)
    append(number, to: &fields)
  }

  mutating func argument(_ text: String) {
    signature += "s"
    append(UInt32(text.utf8.count), to: &body)
    body += Array(text.utf8) + [0]
  }

  mutating func argument(_ number: UInt32) {
    signature += "u"
    append(number, to: &body)
  }

  mutating func argument(_ texts: [String]) {
    signature += "as"
    var array: [UInt8] = []
    for text in texts {
      append(UInt32(text.utf8.count), to: &array)
      array += Array(text.utf8) + [0]
    }
    append(UInt32(array.count), to: &body)
    body += array
  }

  /// The message, with the arguments given so far as its body.
  mutating func message(_ type: MessageType, serial: UInt32) -> [UInt8] {
    field(.signature, signature)
    var bytes: [UInt8] = [UInt8(ascii: "l"), type.rawValue, 0, 1]
    append(UInt32(body.count), to: &bytes)
    append(serial, to: &bytes)
    append(UInt32(fields.count), to: &bytes)
    bytes += fields
    pad(&bytes, to: 8)
    return bytes + body
  }

  private mutating func begin(_ field: HeaderField) {
    pad(&fields, to: 8)
    fields += [field.rawValue, 1, field.typeCode, 0]
  }

  private func append(_ number: UInt32, to bytes: inout [UInt8]) {
    pad(&bytes, to: 4)
    for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
  }

  private func pad(_ bytes: inout [UInt8], to alignment: Int) {
    while bytes.count % alignment != 0 { bytes.append(0) }
  }
}
