// Numbers out of bytes. The only place in this module that reads memory: every read is checked against the span's end first,
// in every build. Everything else in the module goes through here.

extension RawSpan {
  /// The byte at `offset`. Precondition: it is inside.
  @inline(__always)
  func byte(_ offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < byteCount, "read outside of the bytes")
    return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
  }

  /// The four bytes at `offset`, in any alignment. Precondition: they are inside.
  @inline(__always)
  func uint32(_ offset: Int, _ order: ByteOrder) -> UInt32 {
    precondition(offset >= 0 && offset <= byteCount &- 4, "read outside of the bytes")
    let value = unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt32.self)
    return order == .little ? UInt32(littleEndian: value) : UInt32(bigEndian: value)
  }

  /// The eight bytes at `offset`, the first one lowest. Precondition: they are inside.
  @inline(__always)
  func word(_ offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= byteCount &- 8, "read outside of the bytes")
    return UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
  }

  /// The last `count` bytes before `end`, the first one lowest, zeros above. Precondition: `count` is 1…7, and they are inside.
  @inline(__always)
  func partialWord(before end: Int, count: Int) -> UInt64 {
    if end >= 8 { return word(end &- 8) &>> UInt64((8 &- count) &* 8) }
    return shortWord(before: end, count: count)
  }

  /// The same where there are no eight bytes to load. Never in a message, whose frame has more.
  @inline(never)
  private func shortWord(before end: Int, count: Int) -> UInt64 {
    var word: UInt64 = 0
    for offset in (end &- count..<end).reversed() { word = word &<< 8 | UInt64(byte(offset)) }
    return word
  }

  /// Whether `range` is inside and holds exactly the bytes of `text`.
  func holds(_ text: StaticString, at offset: Int, count: Int) -> Bool {
    guard count == text.utf8CodeUnitCount, offset >= 0, offset <= byteCount &- count else { return false }
    for index in 0..<count {
      // index < utf8CodeUnitCount, as the guard has seen to
      let expected = unsafe text.utf8Start[index]
      if byte(offset &+ index) != expected { return false }
    }
    return true
  }
}

/// `offset` rounded up to a multiple of `alignment`, a power of two.
@inline(__always)
func aligned(_ offset: Int, to alignment: Int) -> Int {
  (offset &+ alignment &- 1) & ~(alignment &- 1)
}
