import DBusWire
import Testing

private let orders: [ByteOrder] = [.little, .big]

@Suite("malformed frames")
struct MessageFrameTests {
  @Test("a byte order that is neither is refused", arguments: UInt8.min...UInt8.max)
  func byteOrder(byte: UInt8) {
    var bytes = MessageHeaderTests.call(.little).message()
    bytes[0] = byte
    #expect(byte == 0x6C || headerError(bytes) != nil)
    if byte != 0x6C && byte != 0x42 { #expect(headerError(bytes) == .byteOrder(0)) }
  }

  @Test("type 0 is refused", arguments: orders)
  func type(order: ByteOrder) { #expect(headerError(TestMessage(0, order).message()) == .type(1)) }

  @Test("a version that is not 1 is refused", arguments: [0, 2, 255] as [UInt8])
  func version(version: UInt8) {
    var bytes = MessageHeaderTests.call(.little).message()
    bytes[3] = version
    #expect(headerError(bytes) == .version(3))
  }

  @Test("serial 0 is refused", arguments: orders)
  func serial(order: ByteOrder) { #expect(headerError(TestMessage(9, order, serial: 0).message()) == .serial(8)) }

  @Test("lengths are legal up to their limits and refused one beyond", arguments: orders)
  func lengths(order: ByteOrder) throws {
    func frame(fields: UInt32, body: UInt32) throws(WireError) -> MessageFrame {
      var message = TestMessage(9, order)
      message.set(fields, at: 12)
      message.set(body, at: 4)
      return try MessageFrame(message.bytes.span.bytes)
    }
    #expect(try frame(fields: 67_108_864, body: 0).headerByteCount == 67_108_880)
    #expect(throws: WireError.lengths(12)) { try frame(fields: 67_108_865, body: 0) }
    #expect(throws: WireError.lengths(12)) { try frame(fields: .max, body: .max) }
    #expect(try frame(fields: 0, body: 134_217_712).messageByteCount == 134_217_728)
    #expect(throws: WireError.lengths(4)) { try frame(fields: 0, body: 134_217_713) }
    #expect(throws: WireError.lengths(4)) { try frame(fields: 1, body: 134_217_705) }
    #expect(throws: WireError.lengths(4)) { try frame(fields: 0, body: .max) }
    #expect(try frame(fields: 1, body: 134_217_704).messageByteCount == 134_217_728)
  }
}
