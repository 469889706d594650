import DBusWire
import Testing

@Suite("a view of a message")
struct MessageViewTests {
  private static let orders = [ByteOrder.little, .big]

  /// Calls `body` with a view of the message at the front of `bytes`.
  @discardableResult
  private func withView<R>(_ bytes: [UInt8], _ body: (MessageView) throws -> R) throws -> R {
    let header = try #require(try readHeader(bytes))
    let headers: InlineArray<1, MessageHeader> = [header]
    return try body(MessageView(bytes.span.bytes, header: headers.span))
  }

  private func text(_ bytes: RawSpan) -> String { bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

  /// A call with every field that a view knows.
  private func full(_ order: ByteOrder, signature: String = "", body: [UInt8] = []) -> [UInt8] {
    var message = TestMessage(1, order, serial: 0x0102_0304)
    message.field(1, string: "/a/b", type: "o")
    message.field(2, string: "org.example.Door")
    message.field(3, string: "Open")
    message.field(5, number: 0x0506_0708)
    message.field(6, string: "org.example.House")
    message.field(7, string: ":1.5")
    message.field(8, signature: signature)
    message.field(9, number: 3)
    return message.message(body: body)
  }

  /// A message with as little as there can be.
  private func bare(_ type: UInt8, _ order: ByteOrder, flags: UInt8 = 0) -> [UInt8] {
    var message = TestMessage(type, order, flags: flags)
    switch type {
    case 1:
      message.field(1, string: "/", type: "o")
      message.field(3, string: "M")
    case 2: message.field(5, number: 9)
    case 3:
      message.field(4, string: "a.b")
      message.field(5, number: 9)
    default:
      message.field(1, string: "/", type: "o")
      message.field(2, string: "a.b")
      message.field(3, string: "M")
    }
    return message.message()
  }

  /// A string as a message has it.
  private func string(_ text: String, _ order: ByteOrder) -> [UInt8] {
    TestMessage.bytes(UInt32(text.utf8.count), order) + Array(text.utf8) + [0]
  }

  @Test("has every field, in both byte orders", arguments: orders)
  func fields(order: ByteOrder) throws {
    try withView(full(order, signature: "u", body: TestMessage.bytes(77, order))) { view in
      #expect(view.type == .methodCall && view.serial == 0x0102_0304 && view.replySerial == 0x0506_0708)
      #expect(view.descriptorCount == 3)
      #expect(text(view.path) == "/a/b" && text(view.interface) == "org.example.Door" && text(view.member) == "Open")
      #expect(text(view.destination) == "org.example.House" && text(view.sender) == ":1.5" && text(view.signature) == "u")
      let number = try view.uint32()
      #expect(number == 77)
    }
  }

  @Test("has nothing where there is no field", arguments: orders)
  func absent(order: ByteOrder) throws {
    try withView(bare(1, order)) { view in
      #expect(view.interface.isEmpty && view.destination.isEmpty && view.sender.isEmpty && view.signature.isEmpty)
      #expect(view.replySerial == 0 && view.descriptorCount == 0 && view.serial == 7)
      #expect(text(view.path) == "/" && text(view.member) == "M")
      #expect(view.isComplete && view.body.isEmpty)
    }
    try withView(bare(2, order)) { view in
      #expect(view.path.isEmpty && view.member.isEmpty && view.replySerial == 9)
    }
  }

  @Test("knows replies, and calls that want one", arguments: orders)
  func kinds(order: ByteOrder) throws {
    let noReplyExpected: UInt8 = 1
    for (type, flags, isReply, wantsReply) in [
      (1, 0, false, true), (1, noReplyExpected, false, false), (1, 0xFE, false, true), (2, 0, true, false), (3, 0, true, false),
      (4, 0, false, false), (77, 0, false, false),
    ] as [(UInt8, UInt8, Bool, Bool)] {
      try withView(bare(type, order, flags: flags)) { view in
        #expect(view.type.rawValue == type && view.isReply == isReply && view.wantsReply == wantsReply, "\(type), \(flags)")
      }
    }
  }

  @Test("finds the body where it is, whatever follows it", arguments: orders)
  func body(order: ByteOrder) throws {
    let body = Array("body".utf8)
    let message = full(order, signature: "y", body: body)
    for more in [[], [0xAA], message] as [[UInt8]] {
      try withView(message + more) { view in
        #expect(view.isComplete && text(view.body) == "body" && view.bytes.byteCount == message.count + more.count)
      }
    }
  }

  @Test("says when the end is missing, and has the header all the same", arguments: orders)
  func incomplete(order: ByteOrder) throws {
    let message = full(order, signature: "y", body: Array("body".utf8))
    for missing in 1...4 {
      try withView([UInt8](message.dropLast(missing))) { view in
        let isComplete = view.isComplete
        #expect(!isComplete)
        #expect(text(view.member) == "Open" && text(view.signature) == "y" && view.descriptorCount == 3)
      }
    }
  }

  @Test("finds strings at their place in the message", arguments: orders)
  func strings(order: ByteOrder) throws {
    var body = string("org.foo", order)
    try withView(full(order, signature: "s", body: body)) { view in
      let name = try view.leadingString(expected: "s")
      #expect(text(view.bytes.bytes(in: name)) == "org.foo")
    }
    body += TestMessage.bytes(4, order)
    try withView(full(order, signature: "su", body: body)) { view in
      let name = try view.leadingString(expected: "su")
      #expect(text(view.bytes.bytes(in: name)) == "org.foo")
    }
    let three = string("abc", order) + string("", order) + [0, 0, 0] + string(":1.7", order)
    try withView(full(order, signature: "sss", body: three)) { view in
      let (first, second, third) = try view.threeStrings()
      #expect([first, second, third].map { text(view.bytes.bytes(in: $0)) } == ["abc", "", ":1.7"])
    }
  }

  @Test("refuses arguments that are not what is expected", arguments: orders)
  func otherArguments(order: ByteOrder) throws {
    try withView(full(order, signature: "su", body: string("org.foo", order) + TestMessage.bytes(4, order))) { view in
      #expect(throws: WireError.self) { try view.leadingString(expected: "s") }
      #expect(throws: WireError.self) { try view.threeStrings() }
    }
    // The string goes on behind the body's end, into the next message.
    var short = string("org.foo", order)
    short.removeLast()
    try withView(full(order, signature: "s", body: short) + [0]) { view in
      #expect(throws: WireError.self) { try view.leadingString(expected: "s") }
    }
    try withView(full(order, signature: "u", body: [1, 2, 3]) + [4]) { view in
      #expect(throws: WireError.self) { try view.uint32() }
    }
    try withView(full(order, signature: "u", body: [1, 2, 3, 4, 5])) { view in
      #expect(throws: WireError.self) { try view.uint32() }
    }
  }
}
