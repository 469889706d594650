// Strings: escapes decoded, UTF-8 checked. Called for keys and for string values.

extension JSONReader {
  /// The string that comes next, as UTF-8 without quotes and escapes. Precondition: the reader stands at its opening quote.
  ///
  /// Throws for control characters, NUL even when escaped, escapes that JSON doesn't have, lone surrogates and what is not UTF-8.
  package mutating func string() throws(ConfigurationError) -> [UInt8] {
    precondition(next == UInt8(ascii: "\""), "no string was peeked at")
    offset += 1
    let start = offset
    while let byte = next, (0x20...0x7F).contains(byte), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { offset += 1 }
    var decoded = unsafe text.withUnsafeBufferPointer { unsafe [UInt8](UnsafeBufferPointer(rebasing: $0[start..<offset])) }
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        offset += 1
        return decoded
      case UInt8(ascii: "\\"):
        try escape(into: &decoded)
      case 0x20...0x7F:
        decoded.append(byte)
        offset += 1
      case 0x80...0xFF:
        try multiByteCharacter(into: &decoded)
      default:
        throw unexpected(expected: byte == 0 ? "no NUL in a string" : "control characters as \\u escapes")
      }
    }
    throw unexpected(expected: "'\"' at the end of the string")
  }

  /// Decodes the escape that comes next.
  private mutating func escape(into decoded: inout [UInt8]) throws(ConfigurationError) {
    let start = offset
    offset += 1
    let byte: UInt8
    switch next {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte = text[offset]
    case UInt8(ascii: "b"): byte = 0x08
    case UInt8(ascii: "f"): byte = 0x0C
    case UInt8(ascii: "n"): byte = 0x0A
    case UInt8(ascii: "r"): byte = 0x0D
    case UInt8(ascii: "t"): byte = 0x09
    case UInt8(ascii: "u"):
      offset += 1
      let scalar = try escapedScalar(from: start)
      if scalar.value == 0 { throw error(at: start, "NUL as \\u0000, expected no NUL in a string") }
      decoded.append(contentsOf: Unicode.UTF8.encode(scalar)!)
      return
    case nil: throw unexpected(expected: "the rest of an escape")
    default: throw error(at: start, "unknown escape, expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
    }
    decoded.append(byte)
    offset += 1
  }

  /// The scalar whose hexadecimal digits come next, of a second escape too if the first is half of a surrogate pair.
  private mutating func escapedScalar(from start: Int) throws(ConfigurationError) -> Unicode.Scalar {
    let first = try hexadecimalDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, next == UInt8(ascii: "\\"), offset + 1 < text.count, text[offset + 1] == UInt8(ascii: "u") else {
      throw error(at: start, "lone surrogate, expected a surrogate pair")
    }
    offset += 2
    let second = try hexadecimalDigits()
    guard (0xDC00...0xDFFF).contains(second) else { throw error(at: start, "lone surrogate, expected a surrogate pair") }
    return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))!
  }

  /// The value of the four hexadecimal digits that come next.
  private mutating func hexadecimalDigits() throws(ConfigurationError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected(expected: "four hexadecimal digits after \\u")
      }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }

  /// Copies the character of two to four bytes that comes next: shortest form, no surrogate, at most U+10FFFF.
  private mutating func multiByteCharacter(into decoded: inout [UInt8]) throws(ConfigurationError) {
    let lead = text[offset]
    let (count, second): (Int, ClosedRange<UInt8>)
    switch lead {
    case 0xC2...0xDF: (count, second) = (2, 0x80...0xBF)
    case 0xE0: (count, second) = (3, 0xA0...0xBF)
    case 0xED: (count, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: (count, second) = (3, 0x80...0xBF)
    case 0xF0: (count, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: (count, second) = (4, 0x80...0xBF)
    case 0xF4: (count, second) = (4, 0x80...0x8F)
    default: throw error(at: offset, "invalid UTF-8, expected a character")
    }
    let character = text[offset..<min(offset + count, text.count)]
    let rest = character.dropFirst()
    guard character.count == count, second.contains(rest.first!), rest.allSatisfy({ $0 & 0xC0 == 0x80 }) else {
      throw error(at: offset, "invalid UTF-8, expected a character")
    }
    decoded.append(contentsOf: character)
    offset += count
  }
}
