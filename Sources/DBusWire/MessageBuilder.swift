// Writes the few messages that a gate says itself: errors, Hello and its answer, calls to the driver. Writes into the caller's
// memory, allocates nothing. Does not check what it is given: names and texts are the gate's own, or parts of messages that were
// read.

/// Writes one message: the frame when made, then its fields, then its body if it has one: a string, in pieces,
/// an array of strings, or a boolean.
///
///     var message = MessageBuilder(into: bytes, byteOrder: .little, type: .error, flags: .noReplyExpected, serial: serial)
///     message.field(.errorName, "org.freedesktop.DBus.Error.AccessDenied")
///     message.field(.replySerial, call.frame.serial)
///     message.text("busgate: outgoing call ")
///     message.text(interface)
///     let byteCount = message.finish()
///
/// All functions have the precondition that the memory suffices: 16 bytes for the frame, 16 and its bytes for each field, 8 and
/// its bytes for the body, and 16 for the signature that the body brings with it, are always enough.
///
/// Spec: "message-protocol-messages".
public struct MessageBuilder: ~Copyable, ~Escapable {
  private var bytes: MutableRawSpan
  private let byteOrder: ByteOrder
  private var offset = 16
  /// Where the string of the body begins; 0 while there is none.
  private var textStart = 0
  /// Where the body begins that is no string; 0 while there is none.
  private var bodyStart = 0
  /// Whether that is an array.
  private var isArray = false

  /// Begins a message at the first of `bytes`. `serial` is not 0 (precondition).
  @_lifetime(copy bytes)
  public init(
    into bytes: consuming MutableRawSpan, byteOrder: ByteOrder, type: MessageType, flags: MessageFlags, serial: UInt32
  ) {
    precondition(serial != 0 && type.rawValue != 0, "a message has a type and a serial")
    self.bytes = bytes
    self.byteOrder = byteOrder
    put(byte: byteOrder.rawValue, at: 0)
    put(byte: type.rawValue, at: 1)
    put(byte: flags.rawValue, at: 2)
    put(byte: 1, at: 3)
    put(UInt32(0), at: 4)
    put(serial, at: 8)
    put(UInt32(0), at: 12)
  }

  /// Writes a field whose value is a path, a name or a signature. Precondition: the body was not begun.
  @_lifetime(self: copy self)
  public mutating func field(_ field: HeaderField, _ value: RawSpan) {
    beginField(field, byteCount: value.byteCount)
    append(value)
    append(byte: 0)
  }

  /// Writes a field whose value is a path, a name or a signature. Precondition: the body was not begun.
  @_lifetime(self: copy self)
  public mutating func field(_ field: HeaderField, _ value: StaticString) {
    beginField(field, byteCount: value.utf8CodeUnitCount)
    append(value)
    append(byte: 0)
  }

  /// Writes a field whose value is a number. Precondition: the body was not begun.
  @_lifetime(self: copy self)
  public mutating func field(_ field: HeaderField, _ value: UInt32) {
    precondition(field == .replySerial || field == .unixFDs, "this field is no number")
    beginField(field)
    append(value)
  }

  /// Adds to the string that is the body; the first piece also writes SIGNATURE. Pieces are UTF-8 without NUL.
  @_lifetime(self: copy self)
  public mutating func text(_ piece: RawSpan) {
    if textStart == 0 { beginText() }
    append(piece)
  }

  /// Adds to the string that is the body; the first piece also writes SIGNATURE.
  @_lifetime(self: copy self)
  public mutating func text(_ piece: StaticString) {
    if textStart == 0 { beginText() }
    append(piece)
  }

  /// Begins a body that is an array of strings, and writes SIGNATURE. Precondition: the body was not begun.
  @_lifetime(self: copy self)
  public mutating func beginStrings() {
    field(.signature, "as")
    endFields()
    bodyStart = offset
    isArray = true
    append(UInt32(0))
  }

  /// Adds a string to the array. It is UTF-8 without NUL. Precondition: ``beginStrings()`` was called.
  @_lifetime(self: copy self)
  public mutating func string(_ value: RawSpan) {
    precondition(isArray, "strings are added to an array")
    pad(to: 4)
    append(UInt32(value.byteCount))
    append(value)
    append(byte: 0)
  }

  /// Writes a body that is a boolean, and SIGNATURE. Precondition: the body was not begun.
  @_lifetime(self: copy self)
  public mutating func boolean(_ value: Bool) {
    field(.signature, "b")
    endFields()
    bodyStart = offset
    append(UInt32(value ? 1 : 0))
  }

  /// Ends the message. Returns how many bytes it has.
  public consuming func finish() -> Int {
    if bodyStart != 0 {
      if isArray { put(UInt32(offset - bodyStart - 4), at: bodyStart) }
      put(UInt32(offset - bodyStart), at: 4)
      return offset
    }
    if textStart == 0 {
      endFields()
      return offset
    }
    put(UInt32(offset - textStart), at: textStart - 4)
    append(byte: 0)
    put(UInt32(offset - textStart + 4), at: 4)
    return offset
  }

  @_lifetime(self: copy self)
  private mutating func beginField(_ field: HeaderField) {
    precondition(textStart == 0 && bodyStart == 0, "fields are written before the body")
    pad(to: 8)
    append(byte: field.rawValue)
    append(byte: 1)
    append(byte: field.typeCode)
    append(byte: 0)
  }

  @_lifetime(self: copy self)
  private mutating func beginField(_ field: HeaderField, byteCount: Int) {
    precondition(field != .replySerial && field != .unixFDs, "this field is a number")
    beginField(field)
    if field == .signature {
      append(byte: UInt8(byteCount))
    } else {
      append(UInt32(byteCount))
    }
  }

  @_lifetime(self: copy self)
  private mutating func beginText() {
    precondition(bodyStart == 0, "a message has one body")
    field(.signature, "s")
    endFields()
    append(UInt32(0))
    textStart = offset
  }

  /// Writes how long the fields are, and the padding after them.
  @_lifetime(self: copy self)
  private mutating func endFields() {
    put(UInt32(offset - 16), at: 12)
    pad(to: 8)
  }
}

// Bytes into memory: each store is checked against the end of the span by the standard library.
extension MessageBuilder {
  @_lifetime(self: copy self)
  private mutating func put(byte: UInt8, at offset: Int) {
    bytes.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
  }

  @_lifetime(self: copy self)
  private mutating func put(_ value: UInt32, at offset: Int) {
    bytes.storeBytes(of: byteOrder == .little ? value.littleEndian : value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }

  @_lifetime(self: copy self)
  private mutating func append(byte: UInt8) {
    put(byte: byte, at: offset)
    offset += 1
  }

  @_lifetime(self: copy self)
  private mutating func append(_ value: UInt32) {
    put(value, at: offset)
    offset += 4
  }

  @_lifetime(self: copy self)
  private mutating func pad(to alignment: Int) {
    while offset & (alignment &- 1) != 0 { append(byte: 0) }
  }

  @_lifetime(self: copy self)
  private mutating func append(_ value: RawSpan) {
    var index = 0
    while value.byteCount - index >= 8 {
      bytes.storeBytes(of: value.word(at: index).littleEndian, toByteOffset: offset + index, as: UInt64.self)
      index += 8
    }
    while index < value.byteCount {
      put(byte: value.byte(at: index), at: offset + index)
      index += 1
    }
    offset += index
  }

  @_lifetime(self: copy self)
  private mutating func append(_ value: StaticString) {
    append(value.bytes)
  }
}
