// Messages for tests, written by another hand than MessageBuilder's: any field, in any message, in both byte orders, right or wrong.

import DBusWire

/// A message that is still to be marshalled.
package struct Draft {
  package enum Value {
    case string(String)
    case number(UInt32)
    case boolean(Bool)
    case strings([String])
  }

  package var order = ByteOrder.little
  package var type: UInt8
  package var flags: UInt8 = 0
  package var serial: UInt32
  package var path: String?
  package var interface: String?
  package var member: String?
  package var errorName: String?
  package var replySerial: UInt32?
  package var destination: String?
  package var sender: String?
  package var unixFDs: UInt32?
  package var containerInstance: String?
  package var signature = ""
  package var body: [UInt8] = []
  /// The texts of the body.
  package private(set) var texts: [String]?

  package static let noReply: UInt8 = 1

  package init(type: UInt8, serial: UInt32, sender: String? = nil, unixFDs: UInt32? = nil) {
    (self.type, self.serial, self.sender, self.unixFDs) = (type, serial, sender, unixFDs)
  }

  package static func call(
    _ serial: UInt32, to destination: String? = "org.foo", interface: String? = "org.foo.Bar", _ member: String,
    path: String = "/foo",
    from sender: String? = nil
  ) -> Draft {
    var draft = Draft(type: 1, serial: serial)
    (draft.path, draft.interface, draft.member, draft.destination, draft.sender) = (path, interface, member, destination, sender)
    return draft
  }

  package static func signal(
    _ serial: UInt32, to destination: String? = nil, interface: String = "org.foo.Bar", _ member: String, path: String = "/foo",
    from sender: String? = nil
  ) -> Draft {
    var draft = call(serial, to: destination, interface: interface, member, path: path, from: sender)
    draft.type = 4
    return draft
  }

  package static func answer(
    _ serial: UInt32, to replySerial: UInt32, of destination: String?, from sender: String? = nil
  ) -> Draft {
    var draft = Draft(type: 2, serial: serial)
    (draft.replySerial, draft.destination, draft.sender) = (replySerial, destination, sender)
    return draft
  }

  package static func error(
    _ serial: UInt32, to replySerial: UInt32, of destination: String?, from sender: String? = nil
  ) -> Draft {
    var draft = answer(serial, to: replySerial, of: destination, from: sender)
    draft.type = 3
    draft.errorName = "org.foo.Error.Failed"
    return draft
  }

  /// A call to the driver.
  package static func driver(
    _ serial: UInt32, interface: String? = "org.freedesktop.DBus", _ member: String, _ values: Value...
  ) -> Draft {
    call(serial, to: "org.freedesktop.DBus", interface: interface, member, path: "/org/freedesktop/DBus").with(values)
  }

  package func with(_ values: [Value]) -> Draft {
    var draft = self
    for value in values {
      while draft.body.count % 4 != 0 { draft.body.append(0) }
      switch value {
      case .string(let text):
        draft.signature += "s"
        draft.texts = (draft.texts ?? []) + [text]
        draft.body += marshalled(UInt32(text.utf8.count)) + Array(text.utf8) + [0]
      case .number(let number):
        draft.signature += "u"
        draft.body += marshalled(number)
      case .boolean(let value):
        draft.signature += "b"
        draft.body += marshalled(value ? 1 : 0)
      case .strings(let texts):
        draft.signature += "as"
        draft.texts = (draft.texts ?? []) + texts
        var array: [UInt8] = []
        for text in texts {
          while array.count % 4 != 0 { array.append(0) }
          array += marshalled(UInt32(text.utf8.count)) + Array(text.utf8) + [0]
        }
        draft.body += marshalled(UInt32(array.count)) + array
      }
    }
    return draft
  }

  /// The same with a body of one array of bytes, so that the whole message has exactly `byteCount` bytes.
  package func padded(to byteCount: Int) -> Draft {
    var draft = self
    (draft.signature, draft.body, draft.texts) = ("ay", marshalled(0), nil)
    let missing = byteCount - draft.bytes.count
    precondition(missing >= 0, "the header alone is longer")
    draft.body = marshalled(UInt32(missing)) + Array(repeating: 0x55, count: missing)
    return draft
  }

  package func changed(_ change: (inout Draft) -> Void) -> Draft {
    var draft = self
    change(&draft)
    return draft
  }

  package var big: Draft {
    precondition(body.isEmpty, "set the byte order before the body")
    return changed { $0.order = .big }
  }

  /// All that is in it, for people.
  package var told: String {
    var text = "\(order) type \(type) serial \(serial)"
    func add(_ name: String, _ value: String?) {
      if let value { text += " \(name)=\(value)" }
    }
    add("path", path)
    add("interface", interface)
    add("member", member)
    add("error", errorName)
    add("reply", replySerial.map(String.init))
    add("to", destination)
    add("from", sender)
    add("fds", unixFDs.map(String.init))
    return text + (flags == 0 ? "" : " flags=\(flags)") + (signature.isEmpty ? "" : " \(signature)")
  }

  private func marshalled(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: order == .little ? number.littleEndian : number.bigEndian) { Array($0) }
  }

  /// The message.
  package var bytes: [UInt8] {
    var fields: [UInt8] = []
    func begin(_ code: UInt8, _ type: Character) {
      while fields.count % 8 != 0 { fields.append(0) }
      fields += [code, 1, type.asciiValue!, 0]
    }
    func add(_ code: UInt8, _ type: Character, _ text: String?) {
      guard let text else { return }
      begin(code, type)
      fields += type == "g" ? [UInt8(text.utf8.count)] : marshalled(UInt32(text.utf8.count))
      fields += Array(text.utf8) + [0]
    }
    func add(_ code: UInt8, _ number: UInt32?) {
      guard let number else { return }
      begin(code, "u")
      fields += marshalled(number)
    }
    add(1, "o", path)
    add(2, "s", interface)
    add(3, "s", member)
    add(4, "s", errorName)
    add(5, replySerial)
    add(6, "s", destination)
    add(7, "s", sender)
    if !signature.isEmpty { add(8, "g", signature) }
    add(9, unixFDs)
    add(10, "o", containerInstance)
    var message = [order.rawValue, type, flags, 1] + marshalled(UInt32(body.count)) + marshalled(serial)
    message += marshalled(UInt32(fields.count)) + fields
    while message.count % 8 != 0 { message.append(0) }
    return message + body
  }
}

/// A message that arrived somewhere, read with MessageHeader.
package struct Arrived: Equatable {
  package var order: ByteOrder
  package var type: MessageType
  package var flags: UInt8
  package var serial: UInt32
  package var replySerial: UInt32
  package var path: String
  package var interface: String
  package var member: String
  package var errorName: String
  package var destination: String
  package var sender: String
  package var signature: String
  /// The string that the body begins with, if it does.
  package var text: String
  /// The strings of a body that is an array of them.
  package var texts: [String] = []
  package var bytes: [UInt8]

  /// Reads all messages; what is left is the beginning of one.
  package static func all(in stream: [UInt8]) throws -> (messages: [Arrived], rest: [UInt8]) {
    var messages: [Arrived] = []
    var stream = stream[...]
    while stream.count >= MessageFrame.byteCount {
      let bytes = Array(stream)
      let frame = try MessageFrame(bytes.span.bytes)
      if bytes.count < frame.messageByteCount { break }
      messages.append(try Arrived(Array(bytes[..<frame.messageByteCount]), frame))
      stream = stream.dropFirst(frame.messageByteCount)
    }
    return (messages, Array(stream))
  }

  private init(_ bytes: [UInt8], _ frame: MessageFrame) throws {
    var header = MessageHeader()
    try header.read(bytes.span.bytes, frame: frame)
    func text(_ range: ByteRange) -> String {
      String(decoding: bytes[Int(range.offset)..<Int(range.offset + range.count)], as: UTF8.self)
    }
    (order, type, flags, serial) = (frame.byteOrder, frame.type, frame.flags.rawValue, frame.serial)
    (replySerial, path, interface, member) = (header.replySerial, text(header.path), text(header.interface), text(header.member))
    (errorName, destination, sender) = (text(header.errorName), text(header.destination), text(header.sender))
    signature = text(header.signature)
    self.text = ""
    self.bytes = bytes
    if signature == "as" {
      let body = Array(bytes[frame.headerByteCount...])
      try MessageArguments.checkStrings(in: body.span.bytes, byteOrder: order, signature: Array("as".utf8).span.bytes)
      var strings = StringArray(body.span.bytes, byteOrder: order)
      while let string = strings.next() { texts.append(String(decoding: string.withUnsafeBytes { Array($0) }, as: UTF8.self)) }
    }
    if signature == "s" {
      let body = Array(bytes[frame.headerByteCount...])
      let place = try MessageArguments.leadingString(
        in: body.span.bytes, byteOrder: order, signature: Array("s".utf8).span.bytes, expected: "s")
      self.text = String(decoding: body[Int(place.offset)..<Int(place.offset + place.count)], as: UTF8.self)
    }
  }

  /// The last part of the error's name, or the member, or what else tells messages apart.
  package var summary: String {
    switch type {
    case .error: "\(errorName.split(separator: ".").last ?? "")<-\(replySerial)"
    case .methodReturn: "return<-\(replySerial)"
    default: member
    }
  }
}
