// A header that is recognized reads as it would read anew, whatever was changed in it.

import DBusWire
import Testing

private let orders: [ByteOrder] = [.little, .big]

@Suite("repeated headers")
struct HeaderMemoryTests {
  /// What reading gives: the header as text, or the error.
  private func outcome(_ read: () throws(WireError) -> MessageHeader) -> String {
    do throws(WireError) { return "\(try read())" } catch { return "\(error)" }
  }

  /// Reads with a memory and without; both must say the same. Returns whether the memory called it a repetition.
  private func compare(_ memory: inout HeaderMemory, _ bytes: [UInt8]) -> Bool {
    let span = bytes.span.bytes
    guard bytes.count >= 16, let frame = try? MessageFrame(span), bytes.count >= frame.headerByteCount else { return false }
    let fresh = outcome { () throws(WireError) in
      var header = MessageHeader()
      try header.read(span, frame: frame)
      return header
    }
    var isRepeated = false
    let remembered = outcome { () throws(WireError) in
      isRepeated = try memory.read(span, frame: frame)
      return memory.header
    }
    #expect(remembered == fresh)
    return isRepeated
  }

  @Test("the same message again is recognized, with other serials and another length too", arguments: orders)
  func recognized(order: ByteOrder) {
    for bytes in TestMessage.wellFormed(order) {
      var memory = HeaderMemory()
      #expect(!compare(&memory, bytes))
      #expect(compare(&memory, bytes))
      var other = bytes
      for index in 8..<12 { other[index] ^= 0x55 }  // the serial
      #expect(compare(&memory, other))
      if bytes[4..<8].contains(where: { $0 != 0 }) {
        other[order == .little ? 4 : 7] ^= 0x80  // the length of the body, which stays one
        #expect(compare(&memory, other))
      }
    }
  }

  @Test("a message with any one byte changed reads as if nothing were remembered", arguments: orders)
  func mutated(order: ByteOrder) {
    for bytes in TestMessage.wellFormed(order) {
      for index in bytes.indices {
        for change in [UInt8(0x01), 0x20, 0x80, 0xFF] {
          var memory = HeaderMemory()
          _ = compare(&memory, bytes)
          var other = bytes
          other[index] ^= change
          _ = compare(&memory, other)
          _ = compare(&memory, bytes)
          _ = compare(&memory, other)
        }
      }
    }
  }

  @Test("a REPLY_SERIAL of zero is refused although the rest is known", arguments: orders)
  func zeroReplySerial(order: ByteOrder) throws {
    var bytes = TestMessage.wellFormed(order)[2]
    var memory = HeaderMemory()
    let frame = try MessageFrame(bytes.span.bytes)
    #expect(try !memory.read(bytes.span.bytes, frame: frame))
    let place = try #require(memory.header.replySerial == 99 ? bytes.firstIndex(of: 99) : nil)
    bytes[place] = 0
    #expect(throws: WireError.self) { try memory.read(bytes.span.bytes, frame: frame) }
  }

  @Test("a message without body is no repetition of one with a body, and is refused for its signature")
  func bodyGone() {
    let bytes = TestMessage.wellFormed(.little)[0]
    var memory = HeaderMemory()
    _ = compare(&memory, bytes)
    var other = bytes
    for index in 4..<8 { other[index] = 0 }
    #expect(!compare(&memory, other))
  }

  @Test("a header that is too long to be remembered is read each time")
  func long() {
    var message = TestMessage(1, .little)
    message.field(1, string: "/" + String(repeating: "a", count: 400), type: "o")
    message.field(3, string: "M")
    var memory = HeaderMemory()
    #expect(!compare(&memory, message.message()))
    #expect(!compare(&memory, message.message()))
  }
}
