// What is written can be read.

import DBusWire
import Testing

private let orders: [ByteOrder] = [.little, .big]

@Suite("built messages")
struct MessageBuilderTests {
  /// Memory that is full of something else, and how much of it a message took.
  private static func build(_ capacity: Int = 1024, _ write: (consuming MutableRawSpan) -> Int) -> [UInt8] {
    var memory = [UInt8](repeating: 0xAA, count: capacity)
    var elements = memory.mutableSpan
    let count = write(elements.mutableBytes)
    #expect(memory[count...].allSatisfy { $0 == 0xAA })
    return Array(memory[..<count])
  }

  private static func error(_ order: ByteOrder, destination: String, pieces: [String], capacity: Int = 1024) -> [UInt8] {
    build(capacity) { bytes in
      var message = MessageBuilder(into: bytes, byteOrder: order, type: .error, flags: .noReplyExpected, serial: 0xFFFF_FFFE)
      message.field(.errorName, "org.freedesktop.DBus.Error.AccessDenied")
      message.field(.replySerial, 0x0102_0304)
      message.field(.sender, "org.freedesktop.DBus")
      message.field(.destination, Array(destination.utf8).span.bytes)
      message.text("busgate: ")
      for piece in pieces { message.text(Array(piece.utf8).span.bytes) }
      return message.finish()
    }
  }

  @Test("an error reply is read as it was written, whatever its lengths", arguments: orders)
  func errorReply(order: ByteOrder) throws {
    for length in 0...17 {
      let destination = ":1." + String(repeating: "9", count: length + 1), piece = String(repeating: "\u{E9}", count: length)
      let bytes = Self.error(order, destination: destination, pieces: [piece, "", "!"])
      let header = try #require(try readHeader(bytes))
      #expect(header.frame.byteOrder == order)
      #expect(header.frame.type == .error)
      #expect(header.frame.flags == .noReplyExpected)
      #expect(header.frame.serial == 0xFFFF_FFFE)
      #expect(header.replySerial == 0x0102_0304)
      #expect(bytes.text(header.errorName) == "org.freedesktop.DBus.Error.AccessDenied")
      #expect(bytes.text(header.sender) == "org.freedesktop.DBus")
      #expect(bytes.text(header.destination) == destination)
      #expect(header.frame.messageByteCount == bytes.count)
      let body = Array(bytes[header.frame.headerByteCount...])
      let text = try MessageArguments.leadingString(
        in: body.span.bytes, byteOrder: order, signature: bytes.span.bytes.bytes(in: header.signature), expected: "s")
      #expect(body.text(text) == "busgate: \(piece)!")
    }
  }

  @Test("a call without a body is read as it was written", arguments: orders)
  func hello(order: ByteOrder) throws {
    let bytes = Self.build { bytes in
      var message = MessageBuilder(into: bytes, byteOrder: order, type: .methodCall, flags: [], serial: 1)
      message.field(.path, "/org/freedesktop/DBus")
      message.field(.destination, "org.freedesktop.DBus")
      message.field(.interface, "org.freedesktop.DBus")
      message.field(.member, "Hello")
      return message.finish()
    }
    let header = try #require(try readHeader(bytes))
    #expect(bytes.text(header.member) == "Hello")
    #expect(header.frame.messageByteCount == bytes.count)
    #expect(header.frame.bodyByteCount == 0)
    #expect(header.signature.isAbsent)
  }

  @Test("a message is the same as one written the obvious way", arguments: orders)
  func same(order: ByteOrder) {
    let bytes = Self.build { bytes in
      var message = MessageBuilder(into: bytes, byteOrder: order, type: .methodReturn, flags: .noReplyExpected, serial: 7)
      message.field(.replySerial, 3)
      message.field(.destination, ":1.5")
      message.text(":1.5")
      return message.finish()
    }
    var expected = TestMessage(2, order, flags: 1)
    expected.field(5, number: 3)
    expected.field(6, string: ":1.5")
    expected.field(8, signature: "s")
    #expect(bytes == expected.message(body: TestMessage.bytes(4, order) + Array(":1.5".utf8) + [0]))
  }

  @Test("memory that is just enough is enough", arguments: orders)
  func capacity(order: ByteOrder) {
    let bytes = Self.error(order, destination: ":1.1", pieces: ["x"])
    #expect(Self.error(order, destination: ":1.1", pieces: ["x"], capacity: bytes.count) == bytes)
  }

  @Test("memory that is too short is never written beyond: the process stops")
  func tooShort() async {
    await #expect(processExitsWith: .failure) {
      var memory = [UInt8](repeating: 0, count: 24)
      var elements = memory.mutableSpan
      var message = MessageBuilder(into: elements.mutableBytes, byteOrder: .little, type: .error, flags: [], serial: 1)
      message.field(.errorName, "org.freedesktop.DBus.Error.Failed")
      _ = message.finish()
    }
  }
}
