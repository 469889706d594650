// Reading and comparing borrowed bytes, eight at a time. Called by Glob and by the match path of Policy.
//
// The standard library's loads trap outside the span; the preconditions below say so where it can be read, and cost nothing more
// (the optimizer folds the two). Word order is the host's: words are only compared and hashed, never interpreted.

extension RawSpan {
  /// The byte at `offset`. Precondition: `offset` lies inside.
  @inline(__always)
  func byte(at offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < byteCount)
    return unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }

  /// The four bytes from `offset` on. Precondition: all lie inside.
  @inline(__always)
  func halfWord(at offset: Int) -> UInt32 {
    precondition(offset >= 0 && offset <= byteCount - 4)
    return unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self)
  }

  /// The eight bytes from `offset` on. Precondition: all lie inside.
  @inline(__always)
  func word(at offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= byteCount - 8)
    return unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
  }

  /// Whether the two have the same bytes.
  ///
  /// The last word overlaps the one before, so that no byte is read alone from four bytes up.
  @inline(__always)
  func hasSameBytes(as other: RawSpan) -> Bool {
    let count = byteCount
    if other.byteCount != count { return false }
    if count >= 8 {
      var i = 0
      while i <= count - 8 {
        if word(at: i) != other.word(at: i) { return false }
        i += 8
      }
      return word(at: count - 8) == other.word(at: count - 8)
    }
    if count >= 4 {
      return halfWord(at: 0) == other.halfWord(at: 0) && halfWord(at: count - 4) == other.halfWord(at: count - 4)
    }
    for i in 0..<count where byte(at: i) != other.byte(at: i) { return false }
    return true
  }
}
