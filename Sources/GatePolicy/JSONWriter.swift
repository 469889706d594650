// JSON text on one line: for the control socket, for logs, for the operator's tool. Writes what it is told in the order it is told;
// keeps no tree. What a peer chose may be in any string: the text stays one line of valid UTF-8 that a terminal shows as it is.

/// Builds one JSON text (RFC 8259), without white space.
package struct JSONWriter {
  /// The text so far.
  package private(set) var text: [UInt8] = []
  /// Whether what comes next is not the first of its object or array.
  private var needsComma = false

  package init() {}

  // MARK: Structure

  /// An object; `body` writes its members.
  package mutating func object(_ body: (inout JSONWriter) -> Void) { nest("{", "}", body) }

  /// An array; `body` writes its elements.
  package mutating func array(_ body: (inout JSONWriter) -> Void) { nest("[", "]", body) }

  /// The key of the member whose value is written next.
  package mutating func key(_ name: StaticString) {
    comma()
    append("\"")
    append(name)
    append("\":")
    needsComma = false
  }

  /// As ``key(_:)``, for a key that is no constant.
  package mutating func key(_ name: String) {
    value(name)
    append(":")
    needsComma = false
  }

  /// Ends a line of JSON texts. The next text is another one.
  package mutating func endLine() {
    append("\n")
    needsComma = false
  }

  // MARK: Values

  /// A string.
  package mutating func value(_ string: String) {
    comma()
    append("\"")
    if string.utf8.allSatisfy(Self.isPlain) { text.append(contentsOf: string.utf8) } else { escape(string) }
    append("\"")
  }

  /// A string out of bytes that should be UTF-8; what is not becomes U+FFFD.
  package mutating func value(utf8 bytes: RawSpan) {
    comma()
    append("\"")
    unsafe bytes.withUnsafeBytes { bytes in
      if unsafe bytes.allSatisfy(Self.isPlain) {
        unsafe text.append(contentsOf: bytes)
      } else {
        escape(unsafe String(decoding: bytes, as: UTF8.self))
      }
    }
    append("\"")
  }

  /// As ``value(utf8:)``.
  package mutating func value(utf8 bytes: [UInt8]) { value(utf8: unsafe bytes.span.bytes) }

  /// A number.
  package mutating func value(_ number: some FixedWidthInteger) {
    comma()
    text.append(contentsOf: String(number).utf8)
  }

  /// `true` or `false`.
  package mutating func value(_ flag: Bool) {
    comma()
    append(flag ? "true" : "false")
  }

  /// `null`.
  package mutating func null() {
    comma()
    append("null")
  }

  // MARK: Members

  /// A member whose value is a string.
  package mutating func member(_ name: StaticString, _ string: String) {
    key(name)
    value(string)
  }

  /// A member whose value is a number.
  package mutating func member(_ name: StaticString, _ number: some FixedWidthInteger) {
    key(name)
    value(number)
  }

  /// A member whose value is `true` or `false`.
  package mutating func member(_ name: StaticString, _ flag: Bool) {
    key(name)
    value(flag)
  }

  // MARK: Bytes

  private mutating func nest(_ opening: StaticString, _ closing: StaticString, _ body: (inout JSONWriter) -> Void) {
    comma()
    append(opening)
    needsComma = false
    body(&self)
    append(closing)
    needsComma = true
  }

  private mutating func comma() {
    if needsComma { append(",") }
    needsComma = true
  }

  private mutating func append(_ constant: StaticString) {
    constant.withUTF8Buffer { unsafe text.append(contentsOf: $0) }
  }

  /// Whether a byte stands for itself, and is ASCII.
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private mutating func escape(_ string: String) {
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": append("\\\"")
      case "\\": append("\\\\")
      case "\n": append("\\n")
      case "\r": append("\\r")
      case "\t": append("\\t")
      default:
        if Self.mustBeEscaped(scalar) {
          let digits = String(scalar.value, radix: 16)
          text.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8)
        } else {
          text.append(contentsOf: UTF8.encode(scalar)!)
        }
      }
    }
  }

  /// JSON wants the first 32 escaped. The others act on a terminal (DEL and the C1 controls), end a line for some readers (U+2028,
  /// U+2029), or turn the order of what is shown around (CVE-2021-42574). All have four digits at most.
  private static func mustBeEscaped(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x1F, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}
