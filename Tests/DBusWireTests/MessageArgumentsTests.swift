// Values of all types, in bodies and in header fields that nobody knows, well-formed and not, in both byte orders.

import DBusWire
import Testing

private let orders: [ByteOrder] = [.little, .big]

/// Bodies of all sorts, with their signatures.
private func wellFormed(_ order: ByteOrder) -> [(String, [UInt8])] {
  let sum = Values.make(order) {
    $0.fixed(1)
    $0.uint32(1)
    $0.fixed(2)
    $0.fixed(4)
    $0.fixed(8)
    $0.string("\u{E9}\u{1F600}")
    $0.string("/a/b")
    $0.signature("a{sv}")
    $0.signature("u")
    $0.uint32(9)
  }
  let dictionary = Values.make(order) {
    $0.array(8) {
      for (key, value) in [("one", "1"), ("", ""), ("three", "333")] {
        $0.pad(8)
        $0.string(key)
        $0.signature("(sas)")
        $0.pad(8)
        $0.string(value)
        $0.array(4) { $0.string(value) }
      }
    }
  }
  let empty = Values.make(order) {
    $0.array(8) { _ in }
    $0.array(4) { _ in }
    $0.array(1) { $0.raw([1, 2, 3]) }
    $0.fixed(8)
  }
  let structs = Values.make(order) {
    $0.array(8) {
      for number in 0..<3 as Range<UInt32> {
        $0.pad(8)
        $0.raw([7])
        $0.array(8) { for _ in 0..<number { $0.fixed(8) } }
      }
    }
  }
  let booleans = Values.make(order) {
    $0.array(4) {
      $0.uint32(0)
      $0.uint32(1)
    }
  }
  let nested = Values.make(order) {
    for _ in 0..<64 { $0.signature("v") }
    $0.bytes.removeLast(3)
    $0.signature("y")
    $0.raw([1])
  }
  return [
    ("", []), ("y", [0]), ("ybnidsogv", sum), ("a{sv}", dictionary), ("a(ss)aasayt", empty), ("a(yat)", structs),
    ("ab", booleans),
    ("v", nested),
  ]
}

@Suite("values")
struct MessageArgumentsTests {
  private static func error(_ signature: String, _ body: [UInt8], _ order: ByteOrder = .little) -> WireError? {
    do {
      try MessageArguments.check(body.span.bytes, byteOrder: order, signature: Array(signature.utf8).span.bytes)
      return nil
    } catch {
      return error
    }
  }

  @Test("well-formed bodies are", arguments: orders)
  func legal(order: ByteOrder) {
    for (signature, body) in wellFormed(order) { #expect(Self.error(signature, body, order) == nil, "\(signature)") }
  }

  @Test("a body that is cut anywhere, or goes on, is refused", arguments: orders)
  func cut(order: ByteOrder) {
    for (signature, body) in wellFormed(order) {
      for count in 0..<body.count { #expect(Self.error(signature, Array(body[..<count]), order) != nil, "\(signature) \(count)") }
      #expect(Self.error(signature, body + [0], order) == .trailing(body.count))
    }
  }

  @Test("a body with any byte changed is read or refused, never crashed on", arguments: orders)
  func changed(order: ByteOrder) {
    for (signature, body) in wellFormed(order) {
      for offset in body.indices {
        for value in [0, 1, 4, 8, 0x28, 0x61, 0x76, 0x7F, 0xFF] as [UInt8] {
          var changed = body
          changed[offset] = value
          _ = Self.error(signature, changed, order)
        }
      }
    }
  }

  @Test(
    "malformed values are refused, with their place",
    arguments: [
      ("b", [2, 0, 0, 0], .boolean(0)), ("ab", [4, 0, 0, 0, 2, 0, 0, 0], .boolean(4)),
      ("yb", [1, 0, 1, 0, 1, 0, 0, 0], .padding(2)),
      ("s", [1, 0, 0, 0, 0x61, 1], .terminator(5)), ("s", [1, 0, 0, 0, 0, 0], .string(4)),
      ("s", [1, 0, 0, 0, 0x80, 0], .string(4)),
      ("s", [2, 0, 0, 0, 0x61, 0], .truncated(4)), ("s", [255, 255, 255, 255, 0x61, 0], .truncated(4)),
      ("o", [1, 0, 0, 0, 0x61, 0], .objectPath(4)), ("o", [0, 0, 0, 0, 0], .objectPath(4)), ("g", [1, 0x21, 0], .signature(1)),
      ("g", [1, 0x73, 1], .terminator(2)), ("v", [0, 0], .signature(1)), ("v", [2, 0x79, 0x79, 0, 1, 1], .signature(1)),
      ("v", [1, 0x29, 0], .signature(1)), ("v", [1, 0x69, 0, 1, 0, 0, 0, 0], .padding(3)),
      ("ai", [3, 0, 0, 0, 1, 2, 3], .array(4)),
      ("as", [6, 0, 0, 0, 1, 0, 0, 0, 0x61, 0, 0], .trailing(10)), ("as", [3, 0, 0, 0, 1, 0, 0], .truncated(4)),
      ("ax", [0, 0, 0, 0, 0, 0, 0, 1], .padding(7)), ("ax", [0, 0, 0, 0], .truncated(4)),
      ("ay", [1, 0, 0, 4] + [UInt8](repeating: 0, count: 64), .array(0)), ("(", [], .signature(0)),
      ("as", [7, 0, 0, 0, 1, 0, 0, 0, 0x61, 0, 0], .truncated(10)), ("n", [1], .truncated(0)), ("", [0], .trailing(0)),
    ] as [(String, [UInt8], WireError)])
  func illegal(signature: String, body: [UInt8], expected: WireError) {
    #expect(Self.error(signature, body) == expected)
  }

  @Test("64 containers inside each other are legal, 65 are not", arguments: orders)
  func depth(order: ByteOrder) {
    for variants in [63, 64, 65, 1000] {
      let body = Values.make(order) {
        for _ in 0..<(variants - 1) { $0.signature("v") }
        $0.signature("y")
        $0.raw([1])
      }
      #expect((Self.error("v", body, order) == nil) == (variants <= 64))
    }
    // Containers of all sorts count: 62 variants, an array and a struct.
    for variants in [62, 63] {
      let body = Values.make(order) {
        for _ in 0..<(variants - 1) { $0.signature("v") }
        $0.signature("a(y)")
        $0.array(8) { $0.raw([1]) }
      }
      #expect((Self.error("v", body, order) == nil) == (variants == 62))
    }
  }

  @Test("a hundred thousand variants in an array are read")
  func manyVariants() {
    let body = Values.make(.little) { $0.array(1) { for _ in 0..<100_000 { $0.raw([1, 0x79, 0, 1]) } } }
    #expect(Self.error("av", body) == nil)
  }

  @Test("an unknown header field may have any value, and must have a well-formed one", arguments: orders)
  func unknownField(order: ByteOrder) {
    for (signature, body) in wellFormed(order) where signature != "" && signature != "v" {
      // In one struct all types are one, and begin at a multiple of 8, as the bodies do.
      let type = "(\(signature))", padding = [UInt8](repeating: 0, count: (8 - (3 + type.utf8.count) % 8) % 8)
      var message = TestMessage(9, order)
      message.field(99, type, raw: padding + body)
      #expect(headerError(message.message()) == nil, "\(signature)")
      for count in 0..<body.count {
        var cut = TestMessage(9, order)
        cut.field(99, type, raw: padding + Array(body[..<count]))
        #expect(headerError(cut.message()) != nil, "\(signature)")
      }
    }
  }

  @Test("an unknown header field has one complete type", arguments: ["", "yy", "a", "()", "z", "{yy}", "(", "y)"])
  func unknownFieldType(signature: String) {
    for order in orders {
      var message = TestMessage(9, order)
      message.field(99, signature, raw: [0, 0, 0, 0, 0, 0, 0, 0])
      #expect(headerError(message.message()) == .signature(18))
    }
  }

  @Test("the array and struct around an unknown header field count as containers", arguments: orders)
  func unknownFieldDepth(order: ByteOrder) {
    for variants in [61, 62, 63] {
      var message = TestMessage(9, order)
      let value = Values.make(order) {
        for _ in 0..<(variants - 2) { $0.signature("v") }
        $0.signature("y")
        $0.raw([7])
      }
      message.field(99, "v", raw: value)
      #expect((headerError(message.message()) == nil) == (variants <= 62))
    }
  }
}
