// The parts of a line of the log in its text form: words, then `key=value`, where a value that is not plain stands in quotes.

/// Walks over a line.
struct LogFields {
  private let line: ArraySlice<UInt8>
  private var at: Int

  init(_ line: ArraySlice<UInt8>) {
    self.line = line
    at = line.startIndex
  }

  /// Where the next part begins, the first byte of the line being 1.
  var column: Int { at - line.startIndex + 1 }

  /// The bytes up to the next blank, which is passed over.
  mutating func word() -> String {
    let end = line[at...].firstIndex(of: UInt8(ascii: " ")) ?? line.endIndex
    defer { at = min(end + 1, line.endIndex) }
    return String(decoding: line[at..<end], as: UTF8.self)
  }

  /// The next key and its value, or nil at the end.
  mutating func next() throws(LogLineError) -> (key: String, value: String)? {
    if at == line.endIndex { return nil }
    guard let equals = line[at...].firstIndex(of: UInt8(ascii: "=")), equals > at,
      line[at..<equals].allSatisfy({ $0 == UInt8(ascii: "-") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) })
    else { throw LogLineError(column: column, message: "no key, expected key=value") }
    let key = String(decoding: line[at..<equals], as: UTF8.self)
    at = equals + 1
    let value = at < line.endIndex && line[at] == UInt8(ascii: "\"") ? try quotedText() : word()
    return (key, value)
  }

  /// A value in quotes, and the blank behind it.
  private mutating func quotedText() throws(LogLineError) -> String {
    at += 1
    var value: [UInt8] = []
    while at < line.endIndex {
      let byte = line[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""):
        if at < line.endIndex, line[at] != UInt8(ascii: " ") {
          throw LogLineError(column: column, message: "no blank behind a value in quotes, expected key=value")
        }
        at = min(at + 1, line.endIndex)
        return String(decoding: value, as: UTF8.self)
      case UInt8(ascii: "\\"): try escape(into: &value)
      default: value.append(byte)
      }
    }
    throw LogLineError(column: column, message: "the line ends inside of quotes, expected '\"'")
  }

  /// `\"`, `\\` or `\u{…}`, behind the backslash.
  private mutating func escape(into value: inout [UInt8]) throws(LogLineError) {
    let start = column
    let rest = line[at...]
    if let byte = rest.first, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
      value.append(byte)
      at += 1
      return
    }
    if rest.starts(with: "u{".utf8), let end = rest.firstIndex(of: UInt8(ascii: "}")),
      let number = UInt32(String(decoding: rest[(at + 2)..<end], as: UTF8.self), radix: 16), let scalar = Unicode.Scalar(number)
    {
      value.append(contentsOf: UTF8.encode(scalar)!)
      at = end + 1
      return
    }
    throw LogLineError(column: start, message: "unknown escape, expected \\\", \\\\ or \\u{…}")
  }
}
