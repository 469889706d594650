// How the handshakes look at bytes. The only place of theirs that reads memory; every read is checked in every build.

extension RawSpan {
  /// The byte at `offset`. Precondition: it is inside.
  func octet(at offset: Int) -> UInt8 {
    precondition(offset >= 0 && offset < byteCount, "read outside of the bytes")
    return unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
  }

  /// Whether these are exactly the bytes of `text`.
  func spells(_ text: String) -> Bool {
    guard byteCount == text.utf8.count else { return false }
    var offset = 0
    for expected in text.utf8 {
      if octet(at: offset) != expected { return false }
      offset += 1
    }
    return true
  }

  /// Offset of the first `byte`, or nil.
  func firstOffset(of byte: UInt8) -> Int? {
    for offset in 0..<byteCount where octet(at: offset) == byte { return offset }
    return nil
  }
}

/// What a hexadecimal digit of either case is worth, or nil.
func hexDigitValue(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}
