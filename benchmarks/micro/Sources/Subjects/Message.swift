// Messages as bytes, little-endian: those that the load generator of the end-to-end suite makes.

enum Message {
  static let service = "com.example.Load"
  static let servicePath = "/com/example/Load"
  static let client = ":1.7"
  static let owner = ":1.2"
  static let driver = "org.freedesktop.DBus"

  /// A call of com.example.Load with a body of 16 bytes, or the `kind`-th of many kinds.
  static func call(_ serial: UInt32, kind: Int?) -> [UInt8] {
    let part = kind.map { "Filler\($0)" } ?? "Load"
    return message(
      type: 1, serial: serial,
      [
        (1, .path("/com/example/\(part)")), (2, .text("com.example.\(part)")), (3, .text(kind.map { "Call\($0)" } ?? "Echo")),
        (6, .text(service)), (8, .signature("ay")),
      ], body: payload)
  }

  static func answer(to serial: UInt32) -> [UInt8] {
    message(
      type: 2, serial: 1, [(5, .number(serial)), (6, .text(client)), (7, .text(owner)), (8, .signature("ay"))], body: payload)
  }

  static func signal(_ serial: UInt32) -> [UInt8] {
    message(
      type: 4, serial: serial,
      [(1, .path(servicePath)), (2, .text(service)), (3, .text("Emitted")), (7, .text(owner)), (8, .signature("ay"))],
      body: payload)
  }

  static func hello() -> [UInt8] {
    message(
      type: 1, serial: 1,
      [(1, .path("/org/freedesktop/DBus")), (2, .text(driver)), (3, .text("Hello")), (6, .text(driver))], body: [])
  }

  static func helloAnswer() -> [UInt8] {
    message(
      type: 2, serial: 1, [(5, .number(1)), (6, .text(client)), (7, .text(driver)), (8, .signature("s"))],
      body: bytes(UInt32(client.utf8.count)) + Array(client.utf8) + [0])
  }

  private enum Value {
    case path(String)
    case text(String)
    case signature(String)
    case number(UInt32)
  }

  private static let payload: [UInt8] = bytes(16) + (0..<16).map { $0 }

  private static func bytes(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } }

  private static func message(type: UInt8, serial: UInt32, _ fields: [(UInt8, Value)], body: [UInt8]) -> [UInt8] {
    var header: [UInt8] = []
    for (code, value) in fields {
      pad(&header)
      switch value {
      case .path(let text): header += [code, 1, UInt8(ascii: "o"), 0] + bytes(UInt32(text.utf8.count)) + Array(text.utf8) + [0]
      case .text(let text): header += [code, 1, UInt8(ascii: "s"), 0] + bytes(UInt32(text.utf8.count)) + Array(text.utf8) + [0]
      case .signature(let text): header += [code, 1, UInt8(ascii: "g"), 0, UInt8(text.utf8.count)] + Array(text.utf8) + [0]
      case .number(let number): header += [code, 1, UInt8(ascii: "u"), 0] + bytes(number)
      }
    }
    var message =
      [UInt8(ascii: "l"), type, 0, 1] + bytes(UInt32(body.count)) + bytes(serial) + bytes(UInt32(header.count)) + header
    pad(&message)
    return message + body
  }

  private static func pad(_ bytes: inout [UInt8]) { while bytes.count % 8 != 0 { bytes.append(0) } }
}
