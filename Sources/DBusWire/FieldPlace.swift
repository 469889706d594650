// Where one known header field is, and what every field has before its value: a code and the signature of a variant.
// Part of reading a header (MessageHeader), whose cases call it with constants, so that it compiles to little.

/// The place of a known header field in a header.
struct FieldPlace: ~Escapable {
  private let bytes: RawSpan
  private let byteOrder: ByteOrder
  /// The field's first byte, at a multiple of 8.
  private let start: Int
  /// Where the array of fields ends.
  private let end: Int

  /// The field at `start`, which is a multiple of 8 and before `end`. `bytes` go on up to a multiple of 8.
  @inline(__always)
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan, _ byteOrder: ByteOrder, _ start: Int, _ end: Int) {
    self.bytes = bytes
    self.byteOrder = byteOrder
    self.start = start
    self.end = end
  }

  /// Checks that the field has its type and is the first of its kind. Returns its first eight bytes: the code, the variant's signature
  /// (its length, one type code, NUL), the value or its length. They are there because the header is padded.
  @inline(__always)
  private func begin(_ field: HeaderField, _ seen: inout UInt16) throws(WireError) -> UInt64 {
    let word = bytes.word(at: start), variant = UInt32(truncatingIfNeeded: word)
    guard variant == UInt32(field.rawValue) | 0x100 | UInt32(field.typeCode) &<< 16 else { throw .fieldType(field, start &+ 1) }
    if seen & field.bit != 0 { throw .fieldTwice(field, start) }
    seen |= field.bit
    return word
  }

  /// The value of a field that is a number.
  @inline(__always)
  func number(_ field: HeaderField, _ seen: inout UInt16) throws(WireError) -> UInt32 {
    let word = try begin(field, &seen)
    guard start &+ 8 <= end else { throw .truncated(start) }
    let number = UInt32(truncatingIfNeeded: word &>> 32)
    return byteOrder == .little ? number : number.byteSwapped
  }

  /// Where the value of a field that is a string, a path or a signature is. Its grammar is for the caller to check.
  @inline(__always)
  func text(_ field: HeaderField, _ seen: inout UInt16) throws(WireError) -> ByteRange {
    let word = try begin(field, &seen)
    let length = UInt32(truncatingIfNeeded: word &>> 32), textStart: Int, count: Int
    if field == .signature {
      (textStart, count) = (start &+ 5, Int(length & 0xFF))
    } else {
      (textStart, count) = (start &+ 8, Int(byteOrder == .little ? length : length.byteSwapped))
    }
    guard textStart <= end else { throw .truncated(start) }
    guard count < end &- textStart else { throw .truncated(textStart) }
    guard bytes.byte(at: textStart &+ count) == 0 else { throw .terminator(textStart &+ count) }
    return ByteRange(offset: UInt32(truncatingIfNeeded: textStart), count: UInt32(truncatingIfNeeded: count))
  }

  /// Where a field ends whose value is `text`: after its NUL.
  @inline(__always)
  func end(of text: ByteRange) -> Int { Int(text.offset) &+ Int(text.count) &+ 1 }
}
