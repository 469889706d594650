// Numbers, `true`, `false` and `null`. Called by whoever has peeked at such a value.

extension JSONReader {
  /// The number that comes next, as it is written. Precondition: a number was peeked at.
  package mutating func number() throws(ConfigurationError) -> ArraySlice<UInt8> {
    let start = offset
    if next == UInt8(ascii: "-") { offset += 1 }
    if next == UInt8(ascii: "0") {
      offset += 1
      if isDigit(next) { throw unexpected(expected: "no digit after a leading zero") }
    } else {
      try digits()
    }
    if next == UInt8(ascii: ".") {
      offset += 1
      try digits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      offset += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { offset += 1 }
      try digits()
    }
    return text[start..<offset]
  }

  /// The boolean that comes next. Precondition: a boolean was peeked at.
  package mutating func boolean() throws(ConfigurationError) -> Bool {
    let isTrue = next == UInt8(ascii: "t")
    try literal(isTrue ? "true" : "false")
    return isTrue
  }

  /// Reads `word`, or says where it goes wrong.
  mutating func literal(_ word: StaticString) throws(ConfigurationError) {
    let start = offset
    for wanted in "\(word)".utf8 {
      if next != wanted { throw error(at: start, "unknown word, expected \"\(word)\"") }
      offset += 1
    }
  }

  /// Reads one digit or more.
  private mutating func digits() throws(ConfigurationError) {
    if !isDigit(next) { throw unexpected(expected: "a digit") }
    while isDigit(next) { offset += 1 }
  }

  private func isDigit(_ byte: UInt8?) -> Bool {
    guard let byte else { return false }
    return (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}
