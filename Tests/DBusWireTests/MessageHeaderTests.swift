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
