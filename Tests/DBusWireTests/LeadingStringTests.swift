import DBusWire
import Testing

private let orders: [ByteOrder] = [.little, .big]

@Suite("arguments")
struct LeadingStringTests {
  private static func leading(
    _ body: [UInt8], _ order: ByteOrder, _ signature: String, _ expected: StaticString
  ) throws(WireError)
    -> String
  {
    body.text(
      try MessageArguments.leadingString(
        in: body.span.bytes, byteOrder: order, signature: Array(signature.utf8).span.bytes, expected: expected))
  }

  @Test("the first string of a body is found", arguments: orders)
  func found(order: ByteOrder) throws {
    let one = Values.make(order) { $0.string("type='signal'") }
    #expect(try Self.leading(one, order, "s", "s") == "type='signal'")
    let two = Values.make(order) {
      $0.string("org.example")
      $0.uint32(4)
    }
    #expect(try Self.leading(two, order, "su", "su") == "org.example")
    #expect(try Self.leading(Values.make(order) { $0.string("") }, order, "s", "s") == "")
  }

  @Test("another signature than the expected one is refused")
  func signature() {
    let body = Values.make(.little) { $0.string("a") }
    for signature in ["", "ss", "o", "su", "v"] {
      #expect(throws: WireError.unexpectedSignature(0)) { try Self.leading(body, .little, signature, "s") }
    }
  }

  @Test("a body that isn't what the signature says is refused", arguments: orders)
  func malformed(order: ByteOrder) {
    let body = Values.make(order) { $0.string("abc") }
    for count in body.indices {
      #expect(throws: WireError.self) { try Self.leading(Array(body[..<count]), order, "s", "s") }
    }
    #expect(throws: WireError.trailing(8)) { try Self.leading(body + [0], order, "s", "s") }
    #expect(throws: WireError.self) { try Self.leading(body, order, "su", "su") }
    let other: ByteOrder = order == .little ? .big : .little
    #expect(throws: WireError.self) { try Self.leading(body, other, "s", "s") }
  }

  @Test("a number is all of its body", arguments: orders)
  func number(order: ByteOrder) throws {
    func number(_ body: [UInt8]) throws(WireError) -> UInt32 {
      try MessageArguments.uint32(in: body.span.bytes, byteOrder: order)
    }
    #expect(try number(TestMessage.bytes(0x0102_0304, order)) == 0x0102_0304)
    #expect(throws: WireError.truncated(0)) { try number([1, 2, 3]) }
    #expect(throws: WireError.trailing(4)) { try number([1, 2, 3, 4, 5]) }
  }
}
