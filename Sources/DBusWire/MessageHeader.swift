// The header of a message, checked in place and once. Every decision about a message rests on what is read here, so it must never
// be read in another way than a bus reads it. Does not look at the body; a field's value is never copied.
// A gate calls it for each message of each direction: it is the hottest code of this module, without allocation.

/// The header fields of one message: numbers, and where the other values are.
///
/// What was read is well-formed: names follow their grammars, fields are there once, have their types, and those that the message's
/// type must have are there. Fields that the specification doesn't know are checked as values and passed over.
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

  /// A header of which nothing but the frame is known, for a message that is passed over unread.
  public init(frame: MessageFrame) { self.frame = frame }

  /// Reads the header of a message. All fields are replaced; after a throw none may be used.
  ///
  /// - Parameters:
  ///   - bytes: the message from its first byte on, at least `frame.headerByteCount` bytes of it (precondition).
  ///   - frame: what `MessageFrame(bytes)` gave.
  ///
  /// Throws what is wrong with the first thing that is wrong.
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
    if bytes.word(next &- 8) >> UInt64((8 &- (next &- offset)) &* 8) != 0 { throw .padding(offset) }
  }

  /// Reads the field at `start`, a multiple of 8 before `end`. Returns where it ends, not beyond `end`.
  @inline(__always)
  private mutating func readField(_ bytes: RawSpan, _ start: Int, _ end: Int, _ seen: inout UInt16) throws(WireError) -> Int {
    // The header is padded to a multiple of 8, so these are inside of it even where the fields end sooner.
    // From the lowest byte: the code, the variant's signature (its length, one type code, NUL), the value or its length.
    let word = bytes.word(start)
    guard let field = HeaderField(rawValue: UInt8(truncatingIfNeeded: word)) else {
      return try MessageHeader.skipUnknownField(bytes, start, end, frame.byteOrder)
    }
    let variant = UInt32(truncatingIfNeeded: word)
    guard variant == UInt32(field.rawValue) | 0x100 | UInt32(field.typeCode) &<< 16 else { throw .fieldType(field, start &+ 1) }
    if seen & field.bit != 0 { throw .fieldTwice(field, start) }
    seen |= field.bit
    let lengthEnd = start &+ (field == .signature ? 5 : 8)
    guard lengthEnd <= end else { throw .truncated(start) }
    var number = UInt32(truncatingIfNeeded: word &>> 32)
    if field == .signature {
      number &= 0xFF
    } else if frame.byteOrder == .big {
      number = number.byteSwapped
    }
    switch field {
    case .replySerial:
      if number == 0 { throw .fieldValue(field, start &+ 4) }
      replySerial = number
      return lengthEnd
    case .unixFDs:
      unixFDs = number
      return lengthEnd
    case .path, .interface, .member, .errorName, .destination, .sender, .signature, .containerInstance:
      let count = Int(number)
      guard count < end &- lengthEnd else { throw .truncated(lengthEnd) }
      guard bytes.byte(lengthEnd &+ count) == 0 else { throw .terminator(lengthEnd &+ count) }
      try keep(field, bytes, lengthEnd, count)
      return lengthEnd &+ count &+ 1
    }
  }

  /// Checks the grammar of a field's value and keeps its place.
  @inline(__always)
  private mutating func keep(_ field: HeaderField, _ bytes: RawSpan, _ offset: Int, _ count: Int) throws(WireError) {
    let range = ByteRange(offset: UInt32(truncatingIfNeeded: offset), count: UInt32(truncatingIfNeeded: count))
    let isWellFormed: Bool
    switch field {
    case .path:
      isWellFormed = NameGrammar.isObjectPath(bytes, offset, count)
      if count == 27, bytes.holds("/org/freedesktop/DBus/Local", at: offset, count: count) { throw .reserved(field, offset) }
      path = range
    case .interface:
      isWellFormed = NameGrammar.isInterface(bytes, offset, count)
      if count == 26, bytes.holds("org.freedesktop.DBus.Local", at: offset, count: count) { throw .reserved(field, offset) }
      interface = range
    case .member:
      isWellFormed = NameGrammar.isMember(bytes, offset, count)
      member = range
    case .errorName:
      isWellFormed = NameGrammar.isInterface(bytes, offset, count)
      errorName = range
    case .destination:
      isWellFormed = NameGrammar.isBusName(bytes, offset, count)
      destination = range
    case .sender:
      isWellFormed = NameGrammar.isBusName(bytes, offset, count)
      sender = range
    case .signature:
      isWellFormed = Signature.isSignature(bytes, offset, count)
      signature = range
    case .containerInstance:
      isWellFormed = NameGrammar.isObjectPath(bytes, offset, count)
      containerInstance = range
    case .replySerial, .unixFDs:
      isWellFormed = true
    }
    guard isWellFormed else { throw .fieldValue(field, offset) }
  }

  /// Passes over a field that the specification doesn't know: any variant, checked as such. Returns where it ends.
  @inline(never)
  private static func skipUnknownField(
    _ bytes: RawSpan, _ start: Int, _ end: Int, _ byteOrder: ByteOrder
  ) throws(WireError) -> Int {
    if bytes.byte(start) == 0 { throw .fieldCode(start) }
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
