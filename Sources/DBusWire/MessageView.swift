// A message as whoever decides on it sees it: its bytes where they are, and its header, read once. Nothing is copied but numbers, and a
// view cannot outlive the bytes.

/// A message, as far as it has come, whose header is there and well-formed.
///
/// Source: ours.
public struct MessageView: BitwiseCopyable, ~Escapable {
  /// The message from its first byte on; more bytes may follow it, and of its body some may be missing.
  public let bytes: RawSpan
  /// One header, where it is: a view is passed on as four words.
  @usableFromInline let place: Span<MessageHeader>

  /// A view of the message at the front of `bytes`.
  ///
  /// - Parameter header: What was read from these bytes, or from others that differ in numbers only (``HeaderMemory``): the span has one
  ///   element (precondition). A header in an `InlineArray` of one has a span.
  @inlinable @inline(__always)
  @_lifetime(copy bytes, copy header)
  public init(_ bytes: RawSpan, header: Span<MessageHeader>) {
    precondition(header.count == 1, "a message has one header")
    self.bytes = bytes
    place = header
  }

  /// Its header. The places in it are those of ``bytes``.
  @inlinable @inline(__always) public var header: MessageHeader { place[0] }

  /// What the message is.
  @inlinable @inline(__always) public var type: MessageType { header.frame.type }
  /// The sender's number of the message. Not 0.
  @inlinable @inline(__always) public var serial: UInt32 { header.frame.serial }
  /// REPLY_SERIAL; 0 if absent.
  @inlinable @inline(__always) public var replySerial: UInt32 { header.replySerial }
  /// UNIX_FDS; 0 if absent.
  @inlinable @inline(__always) public var descriptorCount: Int { Int(header.unixFDs) }
  /// Whether it answers a call.
  @inlinable @inline(__always) public var isReply: Bool { type == .methodReturn || type == .error }
  /// Whether it is a call whose sender asks for an answer.
  @inlinable @inline(__always) public var wantsReply: Bool {
    type == .methodCall && !header.frame.flags.contains(.noReplyExpected)
  }
  /// Whether all of it is there.
  @inlinable @inline(__always) public var isComplete: Bool { bytes.byteCount >= header.frame.messageByteCount }

  /// PATH; no bytes if absent.
  @inlinable @inline(__always) public var path: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.path) } }
  /// INTERFACE; no bytes if absent.
  @inlinable @inline(__always) public var interface: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.interface) } }
  /// MEMBER; no bytes if absent.
  @inlinable @inline(__always) public var member: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.member) } }
  /// DESTINATION; no bytes if absent.
  @inlinable @inline(__always) public var destination: RawSpan {
    @_lifetime(copy self) get { bytes.bytes(in: header.destination) }
  }
  /// SENDER; no bytes if absent.
  @inlinable @inline(__always) public var sender: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.sender) } }
  /// SIGNATURE; no bytes if absent.
  @inlinable @inline(__always) public var signature: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.signature) } }

  /// The body. Precondition: ``isComplete``.
  public var body: RawSpan {
    @_lifetime(copy self)
    get {
      precondition(isComplete, "looked into a body that is not all there")
      return bytes.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    }
  }

  /// Where in ``bytes`` the string stands that is the first argument. Precondition: ``isComplete``.
  ///
  /// - Parameter expected: The signature that the message has to have. Begins with `s` (precondition).
  ///
  /// Throws as ``MessageArguments/leadingString(in:byteOrder:signature:expected:)``.
  public func leadingString(expected: StaticString) throws(WireError) -> ByteRange {
    let place = try MessageArguments.leadingString(
      in: body, byteOrder: header.frame.byteOrder, signature: signature, expected: expected)
    return inMessage(place)
  }

  /// Where in ``bytes`` the three strings stand that are all arguments. Precondition: ``isComplete``.
  ///
  /// Throws as ``MessageArguments/threeStrings(in:byteOrder:signature:)``.
  public func threeStrings() throws(WireError) -> (ByteRange, ByteRange, ByteRange) {
    let (first, second, third) = try MessageArguments.threeStrings(
      in: body, byteOrder: header.frame.byteOrder, signature: signature)
    return (inMessage(first), inMessage(second), inMessage(third))
  }

  /// The number that is the only argument. Precondition: ``isComplete``.
  ///
  /// Throws as ``MessageArguments/uint32(in:byteOrder:)``.
  public func uint32() throws(WireError) -> UInt32 {
    try MessageArguments.uint32(in: body, byteOrder: header.frame.byteOrder)
  }

  private func inMessage(_ range: ByteRange) -> ByteRange {
    ByteRange(offset: range.offset + UInt32(header.frame.headerByteCount), count: range.count)
  }
}
