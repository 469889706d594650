// Messages of one stream look alike: the same call again, an answer like the last one. A header that differs from the last one only in
// its serials and the length of its body reads the same. Comparing takes a tenth of the time of reading.
// One memory belongs to one direction of one connection. It holds a copy of one header and no verdict: verdicts are its owner's.

/// The last header of a stream, and what was read in it.
///
/// Source: ours.
public struct HeaderMemory: ~Copyable, Sendable {
  /// The numbers of a message whose header is the remembered one but for them.
  public struct Repetition: BitwiseCopyable, Sendable {
    /// The message's serial. Not 0.
    public let serial: UInt32
    /// REPLY_SERIAL. 0 if the header has none.
    public let replySerial: UInt32
    /// Bytes up to the next message, at most `MessageFrame.messageByteCountMax`.
    public let messageByteCount: Int

    @usableFromInline
    init(serial: UInt32, replySerial: UInt32, messageByteCount: Int) {
      self.serial = serial
      self.replySerial = replySerial
      self.messageByteCount = messageByteCount
    }
  }

  /// Longer headers are not remembered: they are rare, and every connection has two of these.
  private static let wordsMax = 32

  @usableFromInline var words = InlineArray<32, UInt64>(repeating: 0)
  /// Words of the remembered header; 0: none is.
  @usableFromInline var wordCount = 0
  /// The header that was read last. Its places are those of the bytes that were given then.
  public private(set) var header = MessageHeader()

  /// Remembers nothing.
  public init() {}

  /// Bytes of the message whose header was read last.
  @inlinable
  public var messageByteCount: Int { header.frame.messageByteCount }

  /// Reads a header, like `MessageHeader.read(_:frame:)`, into ``header``.
  ///
  /// - Returns: Whether it differs from the last one in nothing but serial, REPLY_SERIAL and the length of the body.
  ///
  /// Throws as `MessageHeader.read(_:frame:)`; ``header`` may not be used then.
  public mutating func read(_ bytes: RawSpan, frame: MessageFrame) throws(WireError) -> Bool {
    precondition(bytes.byteCount >= frame.headerByteCount, "a header is read when all of it is there")
    if let repetition = repetition(in: bytes, at: 0) {
      header.repeated(frame: frame, replySerial: repetition.replySerial)
      return true
    }
    try replace(bytes, frame: frame)
    return false
  }

  /// Reads a header that is known to be another than the last one, into ``header``. Throws as `MessageHeader.read(_:frame:)`.
  public mutating func replace(_ bytes: RawSpan, frame: MessageFrame) throws(WireError) {
    wordCount = 0
    try header.read(bytes, frame: frame)
    remember(bytes, frame)
  }

  /// The numbers of the message at `start`. Nil unless all of its header is there, is as well-formed as the last one that was read, and
  /// differs from that in nothing but serial, REPLY_SERIAL and the length of the body. ``header`` stays the last one's.
  ///
  /// Mutating although it changes nothing: a borrowed value would be copied first.
  /// - Parameter start: At least 0 (precondition).
  @inlinable @inline(__always)
  public mutating func repetition(in bytes: RawSpan, at start: Int) -> Repetition? {
    precondition(start >= 0, "read outside of the bytes")
    let count = wordCount &<< 3
    // A header's length is a multiple of 8. Both are as long as all that is read below, so no read is checked again.
    if count == 0 || start > bytes.byteCount &- count { return nil }
    let known = unsafe words.span.bytes  // an element of the array itself would be read from a copy of it
    // Byte order, type, flags and version; behind the serial the length of the fields.
    let low: UInt64 = 0x0000_0000_FFFF_FFFF
    let (first, second) = unsafe (Self.word(bytes, start), Self.word(bytes, start &+ 8))
    if unsafe (first ^ Self.word(known, 0)) & low | (second ^ Self.word(known, 8)) & ~low != 0 { return nil }
    let order = header.frame.byteOrder
    let body = order.number(UInt32(truncatingIfNeeded: first &>> 32))
    let serial = order.number(UInt32(truncatingIfNeeded: second))
    // A signature needs a body, and a body a signature.
    if serial == 0 || (body == 0) != (header.frame.bodyByteCount == 0) { return nil }
    let messageByteCount = count &+ Int(body)
    if messageByteCount > MessageFrame.messageByteCountMax { return nil }
    let reply = header.replySerialOffset
    if reply == 0 {
      if unsafe Self.difference(bytes, start, known, from: 16, to: count) != 0 { return nil }
      return Repetition(serial: serial, replySerial: 0, messageByteCount: messageByteCount)
    }
    // The number of REPLY_SERIAL is the upper half of the word that its field begins.
    let word = unsafe Self.word(bytes, start &+ reply &- 4)
    var difference = unsafe (word ^ Self.word(known, reply &- 4)) & low
    difference |= unsafe Self.difference(bytes, start, known, from: 16, to: reply &- 4)
    difference |= unsafe Self.difference(bytes, start, known, from: reply &+ 4, to: count)
    let replySerial = order.number(UInt32(truncatingIfNeeded: word &>> 32))
    if difference != 0 || replySerial == 0 { return nil }
    return Repetition(serial: serial, replySerial: replySerial, messageByteCount: messageByteCount)
  }

  /// Eight bytes, the first one lowest. They must be inside.
  @unsafe @inlinable @inline(__always)
  static func word(_ bytes: RawSpan, _ offset: Int) -> UInt64 {
    UInt64(littleEndian: unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  /// Bits in which the whole words from `from` to `to` differ, those of `bytes` counted from `start`. They must be inside.
  @unsafe @inlinable @inline(__always)
  static func difference(_ bytes: RawSpan, _ start: Int, _ known: RawSpan, from: Int, to: Int) -> UInt64 {
    var pairs = SIMD2<UInt64>()
    var at = from
    while at &+ 16 <= to {
      let (x, y) = unsafe (
        bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start &+ at, as: SIMD2<UInt64>.self),
        known.unsafeLoadUnaligned(fromUncheckedByteOffset: at, as: SIMD2<UInt64>.self)
      )
      pairs |= x ^ y
      at &+= 16
    }
    var difference = pairs[0] | pairs[1]
    if at < to { difference |= unsafe word(bytes, start &+ at) ^ word(known, at) }
    return difference
  }

  private mutating func remember(_ bytes: RawSpan, _ frame: MessageFrame) {
    let count = frame.headerByteCount &>> 3
    if count > Self.wordsMax { return }
    precondition(bytes.byteCount >= count &<< 3, "a header that is not all there")
    var memory = words.mutableSpan
    for index in 0..<count { unsafe memory[unchecked: index] = Self.word(bytes, index &<< 3) }
    wordCount = count
  }
}
