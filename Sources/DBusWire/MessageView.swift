// A message as whoever decides on it sees it: its bytes where they are, and its header, read once. Nothing is copied but numbers, and a
// view cannot outlive the bytes.

/// A message, as far as it has come, whose header is there and well-formed.
///
/// Source: ours.
public struct MessageView: ~Escapable {
  /// The message from its first byte on; more bytes may follow it, and of its body some may be missing.
  public let bytes: RawSpan
  /// Its header. The places in it are those of ``bytes``.
  public let header: MessageHeader

  /// A view of the message at the front of `bytes`.
  ///
  /// - Parameter header: What was read from these bytes, or from others that differ in numbers only (``HeaderMemory``).
  @inlinable @inline(__always)
  @_lifetime(copy bytes)
  public init(_ bytes: RawSpan, header: MessageHeader) {
    self.bytes = bytes
    self.header = header
  }

  /// What the message is.
  @inlinable public var type: MessageType { header.frame.type }
  /// The sender's number of the message. Not 0.
  @inlinable public var serial: UInt32 { header.frame.serial }
  /// REPLY_SERIAL; 0 if absent.
  @inlinable public var replySerial: UInt32 { header.replySerial }
  /// UNIX_FDS; 0 if absent.
  @inlinable public var descriptorCount: Int { Int(header.unixFDs) }
  /// Whether it answers a call.
  @inlinable public var isReply: Bool { type == .methodReturn || type == .error }
  /// Whether it is a call whose sender asks for an answer.
  @inlinable public var wantsReply: Bool { type == .methodCall && !header.frame.flags.contains(.noReplyExpected) }
  /// Whether all of it is there.
  @inlinable public var isComplete: Bool { bytes.byteCount >= header.frame.messageByteCount }

  /// PATH; no bytes if absent.
  @inlinable public var path: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.path) } }
  /// INTERFACE; no bytes if absent.
  @inlinable public var interface: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.interface) } }
  /// MEMBER; no bytes if absent.
  @inlinable public var member: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.member) } }
  /// DESTINATION; no bytes if absent.
  @inlinable public var destination: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.destination) } }
  /// SENDER; no bytes if absent.
  @inlinable public var sender: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.sender) } }
  /// SIGNATURE; no bytes if absent.
  @inlinable public var signature: RawSpan { @_lifetime(copy self) get { bytes.bytes(in: header.signature) } }

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
