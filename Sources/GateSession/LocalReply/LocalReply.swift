// The messages that the gate says itself: errors to those whose message was denied, its own Hello, and Hello's repeated answer.
// Built from pieces into the local output; nothing is allocated for an error.

import DBusWire
import GatePolicy

enum LocalReply {
  /// Where an error has its numbers.
  static let serialOffset = 8, replySerialOffset = 20
  /// No answer is longer: header with three names of 255 bytes at most, text with four parts cut at 255 bytes.
  static let byteCountMax = 2048
  /// Parts of a message are repeated in an error up to this many bytes (CVE-2013-2168).
  static let partBytesMax = 255

  /// What an error says, apart from its text.
  struct Envelope {
    var byteOrder: ByteOrder
    var serial: UInt32
    var replySerial: UInt32
    /// Whether it pretends to come from the driver: towards the client. Towards the bus, the bus says who sent it.
    var fromDriver: Bool
  }

  /// Writes the error that tells why `message` was not forwarded.
  ///
  /// - Parameters:
  ///   - destination: Whom it is for; may be empty as long as the client has no name.
  ///   - about: The name that a call to the driver is about, if it is about one.
  static func appendError(
    _ envelope: Envelope, to own: inout LocalOutput, destination: RawSpan, reason: Verdict.Reason, _ message: MessageView,
    _ direction: Direction, about: RawSpan = RawSpan(), busName: RawSpan
  ) {
    unsafe own.append(capacity: byteCountMax) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: envelope.byteOrder, type: .error, flags: .noReplyExpected, serial: envelope.serial)
      builder.field(.replySerial, envelope.replySerial)  // first, so that it is always in the same place
      let entry = reason.entry
      builder.field(.errorName, entry.error.name)
      if envelope.fromDriver { builder.field(.sender, Driver.name) }
      if destination.byteCount > 0 { builder.field(.destination, destination) }
      builder.text(direction == .outgoing ? "busgate: outgoing " : "busgate: incoming ")
      if message.type == .methodCall {
        builder.text("call ")
        write(&builder, message.interface)
        builder.text(".")
        write(&builder, message.member)
        builder.text(" on ")
        write(&builder, message.path)
        if about.byteCount > 0 {
          builder.text(" about ")
          writeName(&builder, about)
        }
      } else {
        builder.text("answer")
      }
      builder.text(entry.told)
      if entry.namesPolicy {
        builder.text(" by the ")
        builder.text(busName)
        builder.text(" policy")
      }
      return builder.finish()
    }
  }

  /// A part of the denied message: cut, or `-` if it has none. It is ASCII, so that cutting leaves no half character.
  @_lifetime(builder: copy builder)
  private static func write(_ builder: inout MessageBuilder, _ part: RawSpan) {
    if part.byteCount == 0 {
      builder.text("-")
    } else if part.byteCount <= partBytesMax {
      builder.text(part)
    } else {
      builder.text(part.extracting(0..<partBytesMax))
      builder.text("…")
    }
  }

  /// A text that should be a name, and may be any: what is not printable ASCII is `?`, so that it stays on its line and cutting leaves no
  /// half character.
  @_lifetime(builder: copy builder)
  private static func writeName(_ builder: inout MessageBuilder, _ name: RawSpan) {
    if NameGrammar.isBusName(name) { return builder.text(name) }
    let kept = name.extracting(0..<min(name.byteCount, partBytesMax))
    for at in 0..<kept.byteCount {
      let isPrintable = (0x20...0x7E).contains(kept.byte(at: at))
      if isPrintable { builder.text(kept.extracting(at..<at + 1)) } else { builder.text("?") }
    }
    if kept.byteCount < name.byteCount { builder.text("…") }
  }

  /// Writes the gate's own Hello. Spec: "bus-messages-hello".
  static func appendHello(serial: UInt32, to own: inout LocalOutput) {
    unsafe own.append(capacity: byteCountMax) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: .little, type: .methodCall, flags: [], serial: serial)
      builder.field(.path, Driver.path)
      builder.field(.destination, Driver.name)
      builder.field(.interface, Driver.name)
      builder.field(.member, "Hello")
      return builder.finish()
    }
  }

  /// Writes a call of the gate's own to the driver, with one string or none as argument. Spec: "message-bus-messages".
  static func appendDriverCall(
    _ member: StaticString, _ argument: RawSpan, flags: MessageFlags, serial: UInt32, to own: inout LocalOutput
  ) {
    unsafe own.append(capacity: byteCountMax) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: .little, type: .methodCall, flags: flags, serial: serial)
      builder.field(.path, Driver.path)
      builder.field(.destination, Driver.name)
      builder.field(.interface, Driver.name)
      builder.field(.member, member)
      if argument.byteCount > 0 { builder.text(argument) }
      return builder.finish()
    }
  }

  /// Writes the answer of the driver that is one boolean.
  static func appendBoolean(_ value: Bool, _ envelope: Envelope, to own: inout LocalOutput, destination: RawSpan) {
    unsafe own.append(capacity: byteCountMax) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: envelope.byteOrder, type: .methodReturn, flags: .noReplyExpected,
        serial: envelope.serial)
      if destination.byteCount > 0 { builder.field(.destination, destination) }
      builder.field(.replySerial, envelope.replySerial)
      builder.field(.sender, Driver.name)
      builder.boolean(value)
      return builder.finish()
    }
  }

  /// Writes the driver's answer that says nothing but that it is done.
  static func appendEmpty(_ envelope: Envelope, to own: inout LocalOutput, destination: RawSpan) {
    unsafe own.append(capacity: byteCountMax) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: envelope.byteOrder, type: .methodReturn, flags: .noReplyExpected,
        serial: envelope.serial)
      if destination.byteCount > 0 { builder.field(.destination, destination) }
      builder.field(.replySerial, envelope.replySerial)
      builder.field(.sender, Driver.name)
      return builder.finish()
    }
  }

  /// Writes the driver's signal NameLost. Spec: "bus-messages-name-lost".
  static func appendNameLost(_ lost: RawSpan, serial: UInt32, to own: inout LocalOutput, destination: RawSpan) {
    unsafe own.append(capacity: byteCountMax) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: .little, type: .signal, flags: .noReplyExpected, serial: serial)
      builder.field(.path, Driver.path)
      builder.field(.interface, Driver.name)
      builder.field(.member, "NameLost")
      builder.field(.destination, destination)
      builder.field(.sender, Driver.name)
      builder.text(lost)
      return builder.finish()
    }
  }

  /// Writes the driver's list of names without those that are not `visible`. `body` is the whole list and well-formed.
  static func appendNames(
    _ body: RawSpan, _ envelope: Envelope, to own: inout LocalOutput, destination: RawSpan, _ visible: (RawSpan) -> Bool
  ) {
    unsafe own.append(capacity: byteCountMax + body.byteCount) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: envelope.byteOrder, type: .methodReturn, flags: .noReplyExpected,
        serial: envelope.serial)
      builder.field(.destination, destination)
      builder.field(.replySerial, envelope.replySerial)
      builder.field(.sender, Driver.name)
      builder.beginStrings()
      var names = StringArray(body, byteOrder: envelope.byteOrder)
      while let name = names.next() { if visible(name) { builder.string(name) } }
      return builder.finish()
    }
  }

  /// Writes what the bus had answered to Hello.
  static func appendHelloAnswer(_ envelope: Envelope, to own: inout LocalOutput, name: RawSpan) {
    unsafe own.append(capacity: byteCountMax) { memory in
      var builder = unsafe MessageBuilder(
        into: memory.mutableBytes, byteOrder: envelope.byteOrder, type: .methodReturn, flags: .noReplyExpected,
        serial: envelope.serial)
      builder.field(.destination, name)
      builder.field(.replySerial, envelope.replySerial)
      builder.field(.sender, Driver.name)
      builder.text(name)
      return builder.finish()
    }
  }
}
