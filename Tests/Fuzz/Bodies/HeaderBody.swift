// Headers, and the memory of the last one, which must read every header as if it remembered nothing.
// Input: where the second message begins (two bytes), then two messages.

import DBusWire

enum HeaderBody {
  static func run(_ input: [UInt8]) {
    var bytes = Bytes(input)
    let first = bytes.take(bytes.number() % 2048)
    let second = Array(bytes.rest)
    var memory = HeaderMemory()
    check(first, &memory)
    check(second, &memory)
    check(second, &memory)
  }

  /// What of a header does not depend on where it was read.
  private static func content(_ header: MessageHeader, _ message: RawSpan) -> [[UInt8]] {
    let ranges = [
      header.path, header.interface, header.member, header.errorName, header.destination, header.sender, header.signature,
      header.containerInstance,
    ]
    for range in ranges {
      demand(Int(range.offset) + Int(range.count) <= header.frame.headerByteCount, "a field is outside of the header")
    }
    return ranges.map { range in message.bytes(in: range).withUnsafeBytes { Array($0) } }
  }

  private static func check(_ message: [UInt8], _ memory: inout HeaderMemory) {
    let span = message.span.bytes
    if span.byteCount < MessageFrame.byteCount { return }
    do throws(WireError) {
      let frame = try MessageFrame(span)
      demand(frame.headerByteCount >= 16 && frame.messageByteCount <= MessageFrame.messageByteCountMax, "impossible lengths")
      let repetition = memory.repetition(in: span, at: 0)
      if span.byteCount < frame.headerByteCount {
        demand(repetition == nil, "half a header was taken for a whole one")
        return
      }
      var header = MessageHeader()
      do throws(WireError) {
        try header.read(span, frame: frame)
      } catch {
        demand(repetition == nil, "a malformed header was taken for a repetition: \(error)")
        demand((try? memory.read(span, frame: frame)) == nil, "a malformed header was read")
        return
      }
      if let repetition {
        demand(
          repetition.serial == frame.serial && repetition.replySerial == header.replySerial
            && repetition.messageByteCount == frame.messageByteCount, "the numbers of a repetition are others")
      }
      let isRepeated = try memory.read(span, frame: frame)
      demand(isRepeated == (repetition != nil), "a repetition was read as none")
      demand(
        content(memory.header, span) == content(header, span) && memory.header.replySerial == header.replySerial
          && memory.header.unixFDs == header.unixFDs && memory.header.frame.serial == frame.serial
          && memory.header.frame.messageByteCount == frame.messageByteCount && memory.header.frame.flags == frame.flags
          && memory.header.frame.type == frame.type, "the memory reads another header")
      let body = span.extracting(frame.headerByteCount..<min(span.byteCount, frame.messageByteCount))
      try MessageArguments.check(body, byteOrder: frame.byteOrder, signature: span.bytes(in: header.signature))
    } catch {
      demand(!"\(error)".isEmpty, "an error that says nothing")
    }
  }
}
