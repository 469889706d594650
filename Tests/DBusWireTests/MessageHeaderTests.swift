// What is a header and what is not, in both byte orders.

import DBusWire
import Testing

private let orders: [ByteOrder] = [.little, .big]

@Suite("headers")
struct MessageHeaderTests {
  /// A call with the fields that it must have.
  static func call(_ order: ByteOrder, _ type: UInt8 = 1) -> TestMessage {
    var message = TestMessage(type, order)
    message.field(1, string: "/a", type: "o")
    message.field(2, string: "a.b")
    message.field(3, string: "M")
    return message
  }

  @Test("all fields are found where they are", arguments: orders)
  func allFields(order: ByteOrder) throws {
    let bytes = TestMessage.wellFormed(order)[0]
    let header = try #require(try readHeader(bytes))
    #expect(header.frame.byteOrder == order)
    #expect(header.frame.type == .methodCall)
    #expect(header.frame.serial == 7)
    #expect(header.frame.messageByteCount == bytes.count)
    #expect(header.frame.bodyByteCount == 6)
    #expect(bytes.text(header.path) == "/org/freedesktop/DBus")
    #expect(bytes.text(header.interface) == "org.freedesktop.DBus")
    #expect(bytes.text(header.member) == "AddMatch")
    #expect(bytes.text(header.destination) == "org.freedesktop.DBus")
    #expect(bytes.text(header.sender) == ":1.42")
    #expect(bytes.text(header.signature) == "s")
    #expect(header.unixFDs == 3)
    #expect(bytes.text(header.containerInstance) == "/org/freedesktop/DBus/Containers1/c1")
    #expect(header.errorName.isAbsent)
    #expect(header.replySerial == 0)
  }

  @Test("reading again leaves nothing of the header before", arguments: orders)
  func reset(order: ByteOrder) throws {
    let full = TestMessage.wellFormed(order)[0], short = TestMessage.wellFormed(order)[2]
    var header = MessageHeader()
    try header.read(full.span.bytes, frame: MessageFrame(full.span.bytes))
    try header.read(short.span.bytes, frame: MessageFrame(short.span.bytes))
    #expect(header.replySerial == 99)
    #expect(header.unixFDs == 0)
    for range in [header.path, header.interface, header.member, header.destination, header.sender, header.signature] {
      #expect(range.isAbsent)
    }
    #expect(header.containerInstance.isAbsent)
  }

  @Test("well-formed messages of all types, unknown ones too, are read", arguments: orders)
  func wellFormed(order: ByteOrder) throws {
    for bytes in TestMessage.wellFormed(order) {
      let header = try #require(try readHeader(bytes))
      #expect(header.frame.messageByteCount == bytes.count)
    }
  }

  @Test("a message cut at any byte is never read as another", arguments: orders)
  func cut(order: ByteOrder) throws {
    for bytes in TestMessage.wellFormed(order) {
      let whole = try MessageFrame(bytes.span.bytes)
      for count in 0..<bytes.count {
        let prefix = Array(bytes[..<count])
        let header = try readHeader(prefix)
        // Only the body is missing, or the header isn't read yet; the frame says how much to wait for.
        #expect((header != nil) == (count >= whole.headerByteCount))
        if let header { #expect(header.frame.messageByteCount == bytes.count) }
      }
    }
  }

  @Test("header fields that claim fewer bytes than there are are refused", arguments: orders)
  func cutFields(order: ByteOrder) {
    for bytes in TestMessage.wellFormed(order) {
      let header = try? MessageFrame(bytes.span.bytes)
      guard let fields = header?.fieldsByteCount, fields > 0 else { continue }
      for count in 1..<fields {
        var message = TestMessage(1, order)
        message.bytes = Array(bytes[..<(16 + count)])
        message.set(UInt32(count), at: 12)
        message.pad(8)
        // What ends between two fields is a well-formed array, and then refused for what is missing: field or signature.
        #expect(headerError(message.bytes) != nil || isLegalCut(message.bytes), "\(count) of \(fields) bytes")
      }
    }
  }

  /// A signal or call may lose its last fields and still have all that it must have. Only then may a cut be legal.
  private func isLegalCut(_ bytes: [UInt8]) -> Bool {
    guard let header = try? readHeader(bytes) else { return false }
    switch header.frame.type {
    case .methodCall: return !header.path.isAbsent && !header.member.isAbsent
    case .signal: return !header.path.isAbsent && !header.interface.isAbsent && !header.member.isAbsent
    default: return false
    }
  }

  @Test("a header with any one byte changed is read or refused, never crashed on", arguments: orders)
  func changed(order: ByteOrder) {
    for bytes in TestMessage.wellFormed(order) {
      for offset in 0..<bytes.count {
        for value in [0, 1, 2, 8, 0x2E, 0x2F, 0x3A, 0x61, 0x7F, 0x80, 0xFF] as [UInt8] {
          var changed = bytes
          changed[offset] = value
          guard let header = try? readHeader(changed) else { continue }
          #expect(header.frame.headerByteCount <= changed.count)
          for range in [header.path, header.interface, header.member, header.sender, header.destination, header.signature] {
            #expect(Int(range.offset + range.count) <= header.frame.headerByteCount)
          }
        }
      }
    }
  }

  @Test("random bytes are read or refused, never crashed on", arguments: orders)
  func random(order: ByteOrder) {
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<20_000 {
      var message = TestMessage(UInt8.random(in: 1...5, using: &generator), order)
      let count = Int.random(in: 0...64, using: &generator)
      for _ in 0..<count { message.bytes.append(UInt8.random(in: 0...12, using: &generator)) }
      message.set(UInt32(count), at: 12)
      message.pad(8)
      _ = headerError(message.bytes)
    }
  }
}
