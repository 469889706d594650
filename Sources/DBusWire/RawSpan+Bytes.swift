// Bytes and words of a span, and equality of spans, for every module of the package. Each read is checked against the span's end in every
// build. Knows nothing of messages: their numbers are in RawSpan+Load.swift.
//
// Everything is inlined into its callers, in other modules too: much of it is done for every message.

extension RawSpan {
  /// The byte at `offset`. Precondition: it is inside.
  @inlinable @inline(__always)
  package func byte(at offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < byteCount, "read outside of the bytes")
    return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
  }

  /// The four bytes from `offset` on, in any alignment, the first one lowest. Precondition: they are inside.
  @inlinable @inline(__always)
  package func halfWord(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset <= byteCount &- 4, "read outside of the bytes")
    return UInt32(littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self))
  }

  /// The eight bytes from `offset` on, in any alignment, the first one lowest. Precondition: they are inside.
  @inlinable @inline(__always)
  package func word(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= byteCount &- 8, "read outside of the bytes")
    return UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  /// Whether the first byte is `byte`. Of no bytes none is.
  @inlinable @inline(__always)
  package func starts(with byte: UInt8) -> Bool { byteCount > 0 && self.byte(at: 0) == byte }

  /// Whether these are the same bytes as `other`.
  ///
  /// The last word overlaps the one before, so that from four bytes up no byte is read alone.
  @inlinable @inline(__always)
  package func isEqual(to other: RawSpan) -> Bool {
    let count = byteCount
    if other.byteCount != count { return false }
    if count >= 8 {
      var offset = 0
      while offset <= count - 8 {
        if word(at: offset) != other.word(at: offset) { return false }
        offset += 8
      }
      return word(at: count - 8) == other.word(at: count - 8)
    }
    if count >= 4 {
      return halfWord(at: 0) == other.halfWord(at: 0) && halfWord(at: count - 4) == other.halfWord(at: count - 4)
    }
    for offset in 0..<count where byte(at: offset) != other.byte(at: offset) { return false }
    return true
  }

  /// Whether these are the bytes of `text`.
  @inlinable @inline(__always)
  package func isEqual(to text: StaticString) -> Bool {
    byteCount == text.utf8CodeUnitCount && isEqual(to: text.bytes)
  }

  /// The bytes of `range`. Precondition: the range was found in these very bytes.
  @inlinable
  @_lifetime(copy self)
  public func bytes(in range: ByteRange) -> RawSpan {
    extracting(Int(range.offset)..<Int(range.offset) + Int(range.count))
  }
}
