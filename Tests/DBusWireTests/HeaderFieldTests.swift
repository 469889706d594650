import DBusWire
import Testing

private let orders: [ByteOrder] = [.little, .big]

@Suite("malformed header fields")
struct HeaderFieldTests {
  @Test("padding before a field, and after the last, is zero", arguments: orders)
  func padding(order: ByteOrder) {
    var message = TestMessage(2, order)
    message.field(7, string: ":1.2")
    let end = message.bytes.count
    message.field(5, number: 1)
    message.field(8, signature: "")
    let fields = message.message()
    #expect(headerError(fields) == nil)
    for offset in end..<(end + 7) / 8 * 8 {
      var bytes = fields
      bytes[offset] = 1
      #expect(headerError(bytes) == .padding(end))
    }
    for offset in message.bytes.count..<fields.count {
      var bytes = fields
      bytes[offset] = 0x80
      #expect(headerError(bytes) == .padding(message.bytes.count))
    }
  }

  @Test("padding inside of the array of fields but after the last is refused", arguments: orders)
  func paddingInArray(order: ByteOrder) {
    var message = TestMessage(2, order)
    message.field(5, number: 1)
    message.field(8, signature: "")
    var bytes = message.message()
    bytes.replaceSubrange(12..<16, with: TestMessage.bytes(UInt32(bytes.count - 16), order))
    #expect(headerError(bytes) != nil)
  }

  @Test("field 0 is refused", arguments: orders)
  func fieldZero(order: ByteOrder) {
    var message = MessageHeaderTests.call(order)
    let offset = (message.bytes.count + 7) / 8 * 8
    message.field(0, string: "x")
    #expect(headerError(message.message()) == .fieldCode(offset))
  }

  @Test("a known field of another type is refused", arguments: orders)
  func fieldType(order: ByteOrder) {
    for code in 1...10 as ClosedRange<UInt8> {
      for type in ["y", "s", "o", "u", "g", "i", "as", "v", ""] {
        var message = TestMessage(9, order)
        message.field(code, type, raw: [0, 0, 0, 0, 0, 0, 0, 0])
        guard let field = HeaderField(rawValue: code) else { continue }
        let right = [5, 9].contains(code) ? "u" : code == 8 ? "g" : [1, 10].contains(code) ? "o" : "s"
        let error = headerError(message.message())
        if type == right { #expect(error != .fieldType(field, 17)) } else { #expect(error == .fieldType(field, 17)) }
      }
    }
  }

  @Test("a known field that is there twice is refused", arguments: orders)
  func twice(order: ByteOrder) {
    let fields: [(UInt8, (inout TestMessage) -> Void)] = [
      (1, { $0.field(1, string: "/a", type: "o") }), (2, { $0.field(2, string: "a.b") }), (3, { $0.field(3, string: "M") }),
      (4, { $0.field(4, string: "a.b") }), (5, { $0.field(5, number: 1) }), (6, { $0.field(6, string: "a.b") }),
      (7, { $0.field(7, string: ":1.1") }), (8, { $0.field(8, signature: "") }), (9, { $0.field(9, number: 0) }),
      (10, { $0.field(10, string: "/a", type: "o") }),
    ]
    for (code, add) in fields {
      var message = TestMessage(9, order)
      add(&message)
      #expect(headerError(message.message()) == nil)
      let offset = (message.bytes.count + 7) / 8 * 8
      add(&message)
      #expect(headerError(message.message()) == HeaderField(rawValue: code).map { .fieldTwice($0, offset) })
    }
  }

  @Test("an unknown field may be there twice", arguments: orders)
  func unknownTwice(order: ByteOrder) {
    var message = MessageHeaderTests.call(order)
    message.field(11, string: "x")
    message.field(11, number: 3)
    message.field(255, string: "")
    #expect(headerError(message.message()) == nil)
  }

  @Test(
    "a message without a field that its type must have is refused",
    arguments: [
      (1, [1, 3]), (2, [5]), (3, [4, 5]), (4, [1, 2, 3]), (5, []), (255, []),
    ] as [(UInt8, [UInt8])])
  func missing(type: UInt8, required: [UInt8]) {
    for order in orders {
      for left in [0] + required {
        var message = TestMessage(type, order)
        for code in 1...6 as ClosedRange<UInt8> where code != left {
          switch code {
          case 1: message.field(1, string: "/", type: "o")
          case 5: message.field(5, number: 1)
          case 3: message.field(3, string: "M")
          default: message.field(code, string: "a.b")
          }
        }
        let error = headerError(message.message())
        if left == 0 {
          #expect(error == nil)
        } else {
          #expect(error == HeaderField(rawValue: left).map { .fieldMissing($0, message.bytes.count) })
        }
      }
    }
  }

  @Test("a reply to serial 0 is refused", arguments: orders)
  func replySerial(order: ByteOrder) {
    var message = TestMessage(2, order)
    message.field(5, number: 0)
    #expect(headerError(message.message()) == .fieldValue(.replySerial, 20))
  }

  @Test("a call may have REPLY_SERIAL, a signal UNIX_FDS", arguments: orders)
  func oddFields(order: ByteOrder) throws {
    var call = MessageHeaderTests.call(order)
    call.field(5, number: 12)
    call.field(4, string: "a.b")
    #expect(try readHeader(call.message())?.replySerial == 12)
    var signal = MessageHeaderTests.call(order, 4)
    signal.field(9, number: 2)
    #expect(try readHeader(signal.message())?.unixFDs == 2)
  }

  @Test("names that do not follow their grammar are refused", arguments: orders)
  func names(order: ByteOrder) {
    let values: [(UInt8, String, [String], [String])] = [
      (1, "o", ["/", "/a", "/_9/B"], ["", "a", "//", "/a/", "/a//b", "/a-b", "/\u{E9}"]),
      (2, "s", ["a.b", "_.A9"], ["", "a", ".a", "a.", "a..b", "a.9", "a-b.c", ":1.2", "a.b "]),
      (3, "s", ["M", "_", "a9"], ["", "9", "a.b", "a-b", "M\u{E9}"]),
      (4, "s", ["a.b"], ["", "a", "a.9"]),
      (6, "s", ["a.b", ":1.2", "a-b.c"], ["", "a", ":", ":1", ":1.", "1.2", "a..b"]),
      (7, "s", ["a.b", ":1.2"], ["", ":1..2", ":1.2:", "a.1"]),
      (10, "o", ["/"], ["", "x"]),
    ]
    for (code, type, legal, illegal) in values {
      for value in legal + illegal {
        var message = TestMessage(9, order)
        message.field(code, string: value, type: type)
        let expected = legal.contains(value) ? nil : HeaderField(rawValue: code).map { WireError.fieldValue($0, 24) }
        #expect(headerError(message.message()) == expected, "\(code) \(value)")
      }
    }
  }

  @Test("names have at most 255 bytes, paths any number", arguments: orders)
  func longNames(order: ByteOrder) {
    for (code, prefix) in [(2, "a."), (3, ""), (4, "a."), (6, "a."), (7, ":1.")] as [(UInt8, String)] {
      for count in [254, 255, 256, 1000] {
        var message = TestMessage(9, order)
        message.field(code, string: prefix + String(repeating: "x", count: count - prefix.utf8.count))
        #expect((headerError(message.message()) == nil) == (count <= 255))
      }
    }
    var message = TestMessage(9, order)
    message.field(1, string: "/" + String(repeating: "x", count: 100_000), type: "o")
    #expect(headerError(message.message()) == nil)
  }

  @Test("the path and interface of the local library are refused, their neighbours are not", arguments: orders)
  func reserved(order: ByteOrder) {
    func error(_ code: UInt8, _ type: String, _ value: String) -> WireError? {
      var message = TestMessage(9, order)
      message.field(code, string: value, type: type)
      return headerError(message.message())
    }
    #expect(error(1, "o", "/org/freedesktop/DBus/Local") == .reserved(.path, 24))
    #expect(error(2, "s", "org.freedesktop.DBus.Local") == .reserved(.interface, 24))
    #expect(error(1, "o", "/org/freedesktop/DBus/Locaa") == nil)
    #expect(error(1, "o", "/org/freedesktop/DBus/Local/a") == nil)
    #expect(error(2, "s", "org.freedesktop.DBus.Locaa") == nil)
    #expect(error(6, "s", "org.freedesktop.DBus.Local") == nil)
  }

  @Test("a length beyond the fields, or without NUL at its end, is refused", arguments: orders)
  func lengths(order: ByteOrder) {
    var message = TestMessage(9, order)
    message.field(3, string: "Member")
    for length in [7, 8, 9, 0x7FFF_FFFF, 0xFFFF_FFFF] as [UInt32] {
      var copy = message
      copy.set(length, at: 20)
      #expect(headerError(copy.message()) == .truncated(24))
    }
    message.set(5, at: 20)
    #expect(headerError(message.message()) == .terminator(29))
    var signature = TestMessage(9, order)
    signature.field(8, "g", raw: [2, 0x73, 0])
    #expect(headerError(signature.message()) == .truncated(21))
  }

  @Test("a body has a signature, and a signature a body", arguments: orders)
  func body(order: ByteOrder) {
    var message = TestMessage(9, order)
    #expect(headerError(message.message(body: [1])) == .bodyWithoutSignature(16))
    message.field(8, signature: "")
    #expect(headerError(message.message(body: [1])) == .bodyWithoutSignature(24))
    #expect(headerError(message.message()) == nil)
    message = TestMessage(9, order)
    message.field(8, signature: "y")
    #expect(headerError(message.message()) == .signatureWithoutBody(21))
    #expect(headerError(message.message(body: [1])) == nil)
  }

  @Test("errors say what is wrong, and where")
  func description() {
    #expect("\(WireError.fieldValue(.sender, 52))" == "header field SENDER is not a bus name, at byte 52")
    #expect("\(WireError.fieldMissing(.replySerial, 16))" == "header field REPLY_SERIAL is missing, at byte 16")
    #expect("\(WireError.fieldType(.path, 17))" == "header field PATH is not of type 'o', at byte 17")
    #expect(WireError.fieldTwice(.path, 40).offset == 40)
  }
}
