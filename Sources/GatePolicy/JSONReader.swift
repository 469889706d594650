// Reads one JSON document (RFC 8259) from front to back, a value at a time, and knows line and column of each byte. It builds no tree: the
// caller says what must come next, and gets that or an error. Strings are in JSONReader+String.swift, numbers and literals in
// JSONReader+Scalar.swift.
//
// Stricter than the RFC demands: no byte order mark, no NUL even when escaped, no duplicate key in any object, no lone surrogate,
// nothing nested deeper than 64 levels. Takes linear time, and memory for the open objects' keys only.
//
// Called by the document parser.

/// A pull parser over the bytes of a document. A copy can read on from the same place later.
package struct JSONReader {
  /// An object or array that is open.
  private struct Level {
    var isEmpty = true
    /// The keys so far; comparing a few is faster than hashing them.
    var firstKeys: [[UInt8]] = []
    var furtherKeys: Set<[UInt8]> = []

    private static let firstCount = 16

    /// Whether `key` is a new one, which is noted.
    mutating func insert(_ key: [UInt8]) -> Bool {
      for known in firstKeys where known == key { return false }
      if firstKeys.count == Self.firstCount { return furtherKeys.insert(key).inserted }
      firstKeys.append(key)
      return true
    }

    /// Begins another object or array at this depth. The memory is kept.
    mutating func begin() {
      isEmpty = true
      firstKeys.removeAll(keepingCapacity: true)
      if !furtherKeys.isEmpty { furtherKeys = [] }
    }
  }

  /// The deepest nesting that is read. Documents of ours need five levels; the number is the one that D-Bus has for its types.
  static let depthMax = 64
  /// The longest document that is read, in bytes. Untuned: room for some 100,000 rules.
  static let byteCountMax = 16 << 20

  let text: [UInt8]
  let file: String
  /// Offset of the byte to be read next.
  var offset = 0
  private var line: Int
  private var lineStart = 0
  /// The open objects and arrays, up to `depth`. Those behind are closed, and kept for their memory.
  private var levels: [Level] = []
  private var depth = 0
  /// Keys that were read, so that the same ones in the next object need no memory of their own.
  private var knownKeys: [[UInt8]] = []
  /// Where in `knownKeys` the search for the next key begins: objects mostly have their keys in one order.
  private var likelyKey = 0

  /// A reader at the first byte of `text`, which is line `firstLine` of `file`.
  package init(_ text: [UInt8], file: String, firstLine: Int) throws(ConfigurationError) {
    self.text = text
    self.file = file
    line = firstLine
    if text.count > JSONReader.byteCountMax {
      throw error(at: 0, "document of \(text.count) bytes, expected at most \(JSONReader.byteCountMax)")
    }
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { throw error(at: 0, "byte order mark, expected UTF-8 without one") }
  }

  /// The byte to be read next; nil at the end.
  var next: UInt8? { offset < text.count ? text[offset] : nil }

  // MARK: Places and errors

  /// Where the byte to be read next stands.
  package var location: SourceLocation { location(at: offset) }

  /// Where `offset` stands. Precondition: on the present line, which holds for every token, since none contains a line feed.
  func location(at offset: Int) -> SourceLocation {
    SourceLocation(file: file, line: line, column: offset - lineStart + 1)
  }

  /// The error that `message` describes, at `offset` on the present line.
  func error(at offset: Int, _ message: String) -> ConfigurationError {
    ConfigurationError(location: location(at: offset), message: message)
  }

  /// The error that the next byte is not what was expected.
  package func unexpected(expected: String) -> ConfigurationError {
    guard let byte = next else { return error(at: offset, "unexpected end of the document, expected \(expected)") }
    return error(at: offset, "unexpected \(describe(byte)), expected \(expected)")
  }

  // MARK: Structure

  /// Skips white space, and counts its lines.
  mutating func skipWhiteSpace() {
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\n"):
        line += 1
        lineStart = offset + 1
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
      default: return
      }
      offset += 1
    }
  }

  /// The kind of the value that comes next; the reader then stands at its first byte.
  package mutating func peek(expected: String = "a value") throws(ConfigurationError) -> JSONKind {
    skipWhiteSpace()
    guard let byte = next, let kind = JSONKind(firstByte: byte) else { throw unexpected(expected: expected) }
    if kind == .boolean || kind == .null {
      // The caller may report "is null", so the whole word is checked here.
      let start = offset
      try literal(kind == .null ? "null" : byte == UInt8(ascii: "t") ? "true" : "false")
      offset = start
    }
    return kind
  }

  /// Enters the object or array whose first byte comes next.
  package mutating func open() throws(ConfigurationError) {
    precondition(next == UInt8(ascii: "{") || next == UInt8(ascii: "["), "no object or array was peeked at")
    if depth == JSONReader.depthMax {
      throw error(at: offset, "nested too deep, expected at most \(JSONReader.depthMax) levels")
    }
    if depth == levels.count { levels.append(Level()) } else { levels[depth].begin() }
    depth += 1
    offset += 1
  }

  /// Goes on to the next key of the open object: the key and its offset, or nil when the object has ended. The value comes next.
  package mutating func nextKey() throws(ConfigurationError) -> (text: [UInt8], location: SourceLocation)? {
    guard try nextItem(closing: UInt8(ascii: "}"), "\"}\"") else { return nil }
    if next != UInt8(ascii: "\"") { throw unexpected(expected: "a key in double quotes") }
    let start = location
    let key: [UInt8]
    if let known = knownKey() { key = known } else { key = try string() }
    if !levels[depth - 1].insert(key) {
      throw ConfigurationError(location: start, message: "duplicate key \(quoted(key)), expected each key once")
    }
    skipWhiteSpace()
    if next != UInt8(ascii: ":") { throw unexpected(expected: "\":\"") }
    offset += 1
    return (key, start)
  }

  private static let knownKeysMax = 32

  /// The key that comes next, if it has no escapes and is known, or can become so. Otherwise nil, and the reader stays where it is.
  private mutating func knownKey() -> [UInt8]? {
    let start = offset + 1
    var end = start
    while end < text.count, (0x20...0x7F).contains(text[end]), text[end] != UInt8(ascii: "\"") {
      if text[end] == UInt8(ascii: "\\") { return nil }
      end += 1
    }
    if end >= text.count || text[end] != UInt8(ascii: "\"") { return nil }
    for step in 0..<knownKeys.count {
      let place = (likelyKey + step) % knownKeys.count
      if knownKeys[place].count != end - start || !text[start..<end].elementsEqual(knownKeys[place]) { continue }
      offset = end + 1
      likelyKey = place + 1
      return knownKeys[place]
    }
    if knownKeys.count == Self.knownKeysMax { return nil }
    offset = end + 1
    knownKeys.append(Array(text[start..<end]))
    likelyKey = knownKeys.count
    return knownKeys.last
  }

  /// Goes on to the next element of the open array; false when the array has ended.
  package mutating func nextElement() throws(ConfigurationError) -> Bool {
    try nextItem(closing: UInt8(ascii: "]"), "\"]\"")
  }

  /// Reads the comma, if there must be one, or the closing byte.
  private mutating func nextItem(closing: UInt8, _ name: String) throws(ConfigurationError) -> Bool {
    skipWhiteSpace()
    if next == closing {
      offset += 1
      depth -= 1
      return false
    }
    if levels[depth - 1].isEmpty {
      levels[depth - 1].isEmpty = false
      return true
    }
    if next != UInt8(ascii: ",") { throw unexpected(expected: "\",\" or \(name)") }
    offset += 1
    skipWhiteSpace()
    return true
  }

  /// Reads the value that comes next, whatever it is, and forgets it.
  package mutating func skipValue() throws(ConfigurationError) {
    switch try peek() {
    case .object:
      try open()
      while try nextKey() != nil { try skipValue() }
    case .array:
      try open()
      while try nextElement() { try skipValue() }
    case .string: _ = try string()
    case .number: _ = try number()
    case .boolean: _ = try boolean()
    case .null: try literal("null")
    }
  }

  /// Reads to the end: only white space may follow.
  package mutating func end() throws(ConfigurationError) {
    skipWhiteSpace()
    if next != nil { throw unexpected(expected: "the end of the document") }
  }
}
