// Messages of one stream look alike: the same call again, an answer like the last one. A header that has the same bytes as the last
// one, but for its serials and the length of its body, reads the same; comparing them takes a tenth of the time of reading them.
// Belongs to one direction of one connection. Holds a copy of one header, never a verdict: that is its owner's.

/// The last header of a stream, and what was read in it.
public struct HeaderMemory: ~Copyable, Sendable {
  /// Longer headers are not remembered: they are rare, and every connection has two of these.
  private static let wordsMax = 32

  private var words = InlineArray<32, UInt64>(repeating: 0)
  /// Words of the remembered header; 0: none is.
  private var wordCount = 0
  /// The header that was read last. Its places are those of the bytes that were given then.
  public private(set) var header = MessageHeader()

  /// Remembers nothing.
  public init() {}

  /// Reads a header, like `MessageHeader.read(_:frame:)`, into ``header``.
  ///
  /// - Returns: Whether it differs from the last one in nothing but serial, REPLY_SERIAL and the length of the body.
  ///
  /// Throws as `MessageHeader.read(_:frame:)`; ``header`` may not be used then.
  public mutating func read(_ bytes: RawSpan, frame: MessageFrame) throws(WireError) -> Bool {
    precondition(bytes.byteCount >= frame.headerByteCount, "a header is read when all of it is there")
    if isRepeated(bytes, frame) {
      let at = header.replySerialOffset
      let replySerial = at == 0 ? 0 : bytes.uint32(at, frame.byteOrder)
      if at == 0 || replySerial != 0 {
        header.repeated(frame: frame, replySerial: replySerial)
        return true
      }
    }
    wordCount = 0
    try header.read(bytes, frame: frame)
    remember(bytes, frame)
    return false
  }

  /// A message whose header was not read: nothing is remembered, and nothing but the frame is known of it.
  public mutating func pass(frame: MessageFrame) {
    wordCount = 0
    header = MessageHeader(frame: frame)
  }

  @inline(__always)
  private mutating func isRepeated(_ bytes: RawSpan, _ frame: MessageFrame) -> Bool {
    // A header's length is a multiple of 8.
    let count = frame.headerByteCount &>> 3
    if count != wordCount { return false }
    // A signature needs a body, and a body a signature.
    if (frame.bodyByteCount == 0) != (header.frame.bodyByteCount == 0) { return false }
    let words = unsafe self.words.span.bytes  // an element of the array itself would be read from a copy of it
    // Byte order, type, flags and version; behind the serial the length of the fields.
    let low: UInt64 = 0x0000_0000_FFFF_FFFF
    var difference = (bytes.word(0) ^ words.word(0)) & low | (bytes.word(8) ^ words.word(8)) & ~low
    if difference != 0 { return false }
    let reply = header.replySerialOffset
    if reply == 0 { return Self.difference(bytes, words, from: 16, to: count &<< 3) == 0 }
    // The number of REPLY_SERIAL is the upper half of the word that its field begins.
    difference = Self.difference(bytes, words, from: 16, to: reply &- 4)
    difference |= (bytes.word(reply &- 4) ^ words.word(reply &- 4)) & low
    return difference | Self.difference(bytes, words, from: reply &+ 4, to: count &<< 3) == 0
  }

  /// Bits in which two runs of whole words differ.
  @inline(__always)
  private static func difference(_ a: RawSpan, _ b: RawSpan, from start: Int, to end: Int) -> UInt64 {
    precondition(
      start >= 0 && end <= a.byteCount && end <= b.byteCount && (end &- start) & 7 == 0, "compared outside of the bytes")
    var difference: UInt64 = 0
    var at = start
    while at < end {
      let (x, y) = unsafe (
        a.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self),
        b.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: UInt64.self)
      )
      difference |= x ^ y
      at &+= 8
    }
    return difference
  }

  private mutating func remember(_ bytes: RawSpan, _ frame: MessageFrame) {
    let count = frame.headerByteCount &>> 3
    if count > Self.wordsMax { return }
    for index in 0..<count { words[index] = UInt64(littleEndian: bytes.word(index &<< 3)) }
    wordCount = count
  }
}
