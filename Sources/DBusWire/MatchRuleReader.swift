// Splits a match rule into keys and values: the part of its grammar where the buses differ. See MatchRule for how.

/// Takes keys and values off the start of a match rule.
struct MatchRuleReader: ~Escapable {
  private let text: RawSpan
  /// What is read next.
  private(set) var offset = 0

  @_lifetime(copy text)
  init(_ text: RawSpan) { self.text = text }

  private var isAtEnd: Bool { offset == text.byteCount }

  /// Whether the next byte is `byte`.
  private func isAt(_ byte: UInt8) -> Bool { !isAtEnd && text.byte(at: offset) == byte }

  @_lifetime(self: copy self)
  private mutating func skipBlanks() {
    while isAt(0x20) || isAt(0x09) || isAt(0x0A) || isAt(0x0D) { offset += 1 }
  }

  /// The next key, with the `=` after it taken too; nil at the end of the rule.
  @_lifetime(self: copy self)
  mutating func takeKey() throws(MatchRuleError) -> ByteRange? {
    skipBlanks()
    if isAtEnd { return nil }
    let start = offset
    while !isAtEnd && !isAt(UInt8(ascii: "=")) && !isAt(0x20) && !isAt(0x09) && !isAt(0x0A) && !isAt(0x0D) {
      if isAt(0) { throw .nul(offset) }
      offset += 1
    }
    let end = offset
    if start == end { throw .noKey(start) }
    skipBlanks()
    guard isAt(UInt8(ascii: "=")) else { throw .noValue(start) }
    offset += 1
    return ByteRange(offset: UInt32(start), count: UInt32(end - start))
  }

  /// The value up to the comma that ends it, which is taken too, or up to the end.
  @_lifetime(self: copy self)
  mutating func takeValue() throws(MatchRuleError) -> [UInt8] {
    var value: [UInt8] = []
    var quote: Int?
    while !isAtEnd {
      let byte = text.byte(at: offset)
      offset += 1
      switch byte {
      case 0: throw .nul(offset - 1)
      case UInt8(ascii: "'"): quote = quote == nil ? offset - 1 : nil
      case UInt8(ascii: ",") where quote == nil: return value
      case UInt8(ascii: "\\") where quote == nil:
        if isAt(UInt8(ascii: ",")) || isAt(UInt8(ascii: "\\")) { throw .ambiguousBackslash(offset - 1) }
        if isAt(UInt8(ascii: "'")) {
          value.append(UInt8(ascii: "'"))
          offset += 1
        } else {
          value.append(byte)
        }
      default: value.append(byte)
      }
    }
    if let quote { throw .openQuote(quote) }
    return value
  }
}
