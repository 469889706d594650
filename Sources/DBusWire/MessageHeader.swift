// The header of a message, checked in place and once. Every decision about a message rests on what is read here, so it must be read exactly
// as a bus reads it. Does not look at the body, and copies no field's value.
// A gate calls this for each message of each direction. It is the hottest code of this module, and allocates nothing.

/// The header fields of one message: numbers, and where the other values are.
///
/// What was read is well-formed: names follow their grammars, fields are there once, have their types, and those that the
/// message's type must have are there. Fields that the specification doesn't know are checked as values and passed over.
///
/// Spec: "message-protocol-header-fields".
public struct MessageHeader: BitwiseCopyable, Sendable {
  /// The frame that this header was read with.
  public private(set) var frame = MessageFrame()
  /// REPLY_SERIAL; 0 if absent. Present in messages of any type, meaningful only in replies.
  public private(set) var replySerial: UInt32 = 0
  /// UNIX_FDS; 0 if absent.
  public private(set) var unixFDs: UInt32 = 0
  /// PATH.
  public private(set) var path = ByteRange()
  /// INTERFACE.
  public private(set) var interface = ByteRange()
  /// MEMBER.
  public private(set) var member = ByteRange()
  /// ERROR_NAME.
  public private(set) var errorName = ByteRange()
  /// DESTINATION.
  public private(set) var destination = ByteRange()
  /// SENDER.
  public private(set) var sender = ByteRange()
  /// SIGNATURE; absent and empty are the same.
  public private(set) var signature = ByteRange()
  /// CONTAINER_INSTANCE.
  public private(set) var containerInstance = ByteRange()

  /// A header that was not read yet.
  public init() {}

  /// Where the number of REPLY_SERIAL is, for ``HeaderMemory``; 0 if absent.
  @usableFromInline private(set) var replySerialOffset = 0

  /// Becomes the header of a message that differs in its numbers only. For ``HeaderMemory``, which has compared the rest.
  @inline(__always)
  mutating func repeated(frame: MessageFrame, replySerial: UInt32) {
    self.frame = frame
    self.replySerial = replySerial
  }

  /// A header of which nothing but the frame is known, for a message that is passed over unread.
  public init(frame: MessageFrame) { self.frame = frame }

  /// Reads the header of a message. All fields are replaced; after a throw none may be used.
  ///
  /// - Parameters:
  ///   - bytes: the message from its first byte on, at least `frame.headerByteCount` bytes of it (precondition).
  ///   - frame: what `MessageFrame(bytes)` gave.
  ///
  /// Throws the first thing that is wrong.
  ///
  /// Spec: "message-protocol-header-fields".
  public mutating func read(_ bytes: RawSpan, frame: MessageFrame) throws(WireError) {
    precondition(bytes.byteCount >= frame.headerByteCount, "a header is read when all of it is there")
    self = MessageHeader()
    self.frame = frame
    let end = MessageFrame.byteCount &+ frame.fieldsByteCount
    var offset = MessageFrame.byteCount, seen: UInt16 = 0
    while offset < end {
      let field = aligned(offset, to: 8)
      guard field < end else { throw .truncated(offset) }
      try MessageHeader.checkPadding(bytes, offset, field)
      offset = try readField(bytes, field, end, &seen)
    }
    try MessageHeader.checkPadding(bytes, end, frame.headerByteCount)
    try checkPresence(seen, at: end)
  }

  /// Checks that the bytes up to the next multiple of 8, which `next` is, are zero. Precondition: `offset` is at least 16.
  @inline(__always)
  private static func checkPadding(_ bytes: RawSpan, _ offset: Int, _ next: Int) throws(WireError) {
    // Shifting by 64, where there is no padding, gives 0.
    if bytes.word(at: next &- 8) >> UInt64((8 &- (next &- offset)) &* 8) != 0 { throw .padding(offset) }
  }

  /// Reads the field at `start`, a multiple of 8 before `end`. Returns where it ends, not beyond `end`.
  @inline(__always)
  private mutating func readField(_ bytes: RawSpan, _ start: Int, _ end: Int, _ seen: inout UInt16) throws(WireError) -> Int {
    guard let field = HeaderField(rawValue: bytes.byte(at: start)) else {
      return try MessageHeader.skipUnknownField(bytes, start, end, frame.byteOrder)
    }
    // One switch, each of whose cases is compiled for its field alone.
    let place = FieldPlace(bytes, frame.byteOrder, start, end)
    switch field {
    case .path:
      path = try place.text(.path, &seen)
      if !NameGrammar.isObjectPath(bytes, start &+ 8, Int(path.count)) { throw .fieldValue(.path, start &+ 8) }
      if path.count == 27, bytes.bytes(in: path).isEqual(to: "/org/freedesktop/DBus/Local") {
        throw .reserved(.path, start &+ 8)
      }
      return place.end(of: path)
    case .interface:
      interface = try place.text(.interface, &seen)
      if !NameGrammar.isInterface(bytes, start &+ 8, Int(interface.count)) { throw .fieldValue(.interface, start &+ 8) }
      if interface.count == 26, bytes.bytes(in: interface).isEqual(to: "org.freedesktop.DBus.Local") {
        throw .reserved(.interface, start &+ 8)
      }
      return place.end(of: interface)
    case .member:
      member = try place.text(.member, &seen)
      if !NameGrammar.isMember(bytes, start &+ 8, Int(member.count)) { throw .fieldValue(.member, start &+ 8) }
      return place.end(of: member)
    case .errorName:
      errorName = try place.text(.errorName, &seen)
      if !NameGrammar.isInterface(bytes, start &+ 8, Int(errorName.count)) { throw .fieldValue(.errorName, start &+ 8) }
      return place.end(of: errorName)
    case .destination:
      destination = try place.text(.destination, &seen)
      if !NameGrammar.isBusName(bytes, start &+ 8, Int(destination.count)) { throw .fieldValue(.destination, start &+ 8) }
      return place.end(of: destination)
    case .sender:
      sender = try place.text(.sender, &seen)
      if !NameGrammar.isBusName(bytes, start &+ 8, Int(sender.count)) { throw .fieldValue(.sender, start &+ 8) }
      return place.end(of: sender)
    case .containerInstance:
      containerInstance = try place.text(.containerInstance, &seen)
      if !NameGrammar.isObjectPath(bytes, start &+ 8, Int(containerInstance.count)) {
        throw .fieldValue(.containerInstance, start &+ 8)
      }
      return place.end(of: containerInstance)
    case .signature:
      signature = try place.text(.signature, &seen)
      if !Signature.isSignature(bytes, start &+ 5, Int(signature.count)) { throw .fieldValue(.signature, start &+ 5) }
      return place.end(of: signature)
    case .replySerial:
      replySerial = try place.number(.replySerial, &seen)
      if replySerial == 0 { throw .fieldValue(.replySerial, start &+ 4) }
      replySerialOffset = start &+ 4
      return start &+ 8
    case .unixFDs:
      unixFDs = try place.number(.unixFDs, &seen)
      return start &+ 8
    }
  }

  /// Passes over a field that the specification doesn't know: any variant, checked as such. Returns where it ends.
  @inline(never)
  private static func skipUnknownField(
    _ bytes: RawSpan, _ start: Int, _ end: Int, _ byteOrder: ByteOrder
  ) throws(WireError) -> Int {
    if bytes.byte(at: start) == 0 { throw .fieldCode(start) }
    var reader = ValueReader(bytes, byteOrder: byteOrder, from: start &+ 1)
    // The field is in a struct in an array.
    try reader.skipVariant(end, containers: 2)
    return reader.offset
  }

  /// Checks that the fields in `seen` are all that this message must have.
  @inline(__always)
  private func checkPresence(_ seen: UInt16, at end: Int) throws(WireError) {
    let required: UInt16 =
      switch frame.type {
      case .methodCall: HeaderField.path.bit | HeaderField.member.bit
      case .methodReturn: HeaderField.replySerial.bit
      case .error: HeaderField.errorName.bit | HeaderField.replySerial.bit
      case .signal: HeaderField.path.bit | HeaderField.interface.bit | HeaderField.member.bit
      default: 0  // not an enum: types that nobody knows need no field
      }
    let missing = required & ~seen
    if missing != 0, let field = HeaderField(rawValue: UInt8(missing.trailingZeroBitCount)) { throw .fieldMissing(field, end) }
    if signature.isAbsent != (frame.bodyByteCount == 0) {
      throw signature.isAbsent ? .bodyWithoutSignature(frame.headerByteCount) : .signatureWithoutBody(Int(signature.offset))
    }
  }
}
