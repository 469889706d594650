// What a STRING may hold. Eight bytes at a time while they are ASCII; one pass, nothing allocated.

/// The grammar of strings.
///
/// Spec: "message-protocol-marshaling-string".
public enum UTF8Grammar {
  /// Whether all of `bytes` is UTF-8 as strings need it: no NUL, no surrogate, nothing longer than needed, nothing above
  /// U+10FFFF. Non-characters such as U+FFFE are legal.
  public static func isValid(_ bytes: RawSpan) -> Bool { isValid(bytes, 0, bytes.byteCount) }

  static func isValid(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    let end = offset &+ count
    var offset = offset
    while offset < end {
      if end &- offset >= 8, isNonzeroASCII(bytes.word(at: offset)) {
        offset &+= 8
        continue
      }
      guard let next = endOfScalar(bytes, offset, end) else { return false }
      offset = next
    }
    return true
  }

  /// Whether no byte of `word` is 0 or above 0x7F.
  @inline(__always)
  private static func isNonzeroASCII(_ word: UInt64) -> Bool {
    // With all bytes below 0x80, adding 0x7F sets the top bit of each that isn't 0, and carries nowhere.
    word & 0x8080_8080_8080_8080 == 0
      && (word &+ 0x7F7F_7F7F_7F7F_7F7F) & 0x8080_8080_8080_8080 == 0x8080_8080_8080_8080
  }

  /// Where the scalar at `offset` ends, or nil if there is none before `end`. Precondition: `offset` is before `end`.
  @inline(__always)
  private static func endOfScalar(_ bytes: RawSpan, _ offset: Int, _ end: Int) -> Int? {
    // Table 3-7 of the Unicode Standard: the first byte says how many follow, and bounds the second.
    let first = bytes.byte(at: offset)
    let count: Int, second: ClosedRange<UInt8>
    switch first {
    case 0x01...0x7F: return offset &+ 1
    case 0xC2...0xDF: (count, second) = (2, 0x80...0xBF)
    case 0xE0: (count, second) = (3, 0xA0...0xBF)
    case 0xED: (count, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (count, second) = (3, 0x80...0xBF)
    case 0xF0: (count, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (count, second) = (4, 0x80...0xBF)
    case 0xF4: (count, second) = (4, 0x80...0x8F)
    default: return nil
    }
    guard end &- offset >= count, second.contains(bytes.byte(at: offset &+ 1)) else { return nil }
    if count > 2, bytes.byte(at: offset &+ 2) & 0xC0 != 0x80 { return nil }
    if count > 3, bytes.byte(at: offset &+ 3) & 0xC0 != 0x80 { return nil }
    return offset &+ count
  }
}
