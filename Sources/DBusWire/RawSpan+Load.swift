// Numbers out of bytes, as messages have them, and the ends of texts as words. Every read is checked against the span's end first, in every
// build. Bytes and words: RawSpan+Bytes.swift.

extension RawSpan {
  /// The number at `offset`, in any alignment. Precondition: its four bytes are inside.
  @inline(__always)
  func uint32(at offset: Int, _ order: ByteOrder) -> UInt32 {
    let value = halfWord(at: offset)
    return order == .little ? value : value.byteSwapped
  }

  /// The last `count` bytes before `end`, the first one lowest, zeros above. Precondition: `count` is 1…7, and they are inside.
  @inline(__always)
  func partialWord(before end: Int, count: Int) -> UInt64 {
    if end >= 8 { return word(at: end &- 8) &>> UInt64((8 &- count) &* 8) }
    return shortWord(before: end, count: count)
  }

  /// The same where there are no eight bytes to load. Never in a message, whose frame has more.
  @inline(never)
  private func shortWord(before end: Int, count: Int) -> UInt64 {
    var word: UInt64 = 0
    for offset in (end &- count..<end).reversed() { word = word &<< 8 | UInt64(byte(at: offset)) }
    return word
  }
}

/// `offset` rounded up to a multiple of `alignment`, a power of two.
@inline(__always)
func aligned(_ offset: Int, to alignment: Int) -> Int {
  (offset &+ alignment &- 1) & ~(alignment &- 1)
}
