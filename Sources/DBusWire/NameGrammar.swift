// The grammars of paths and names. Eight bytes at a time, as names are most of a header; the reading of a message costs what
// these functions cost. Nothing is allocated, no byte is read twice.

/// The grammars of object paths and of the five sorts of names.
///
/// Spec: "message-protocol-marshaling-object-path", "message-protocol-names".
public enum NameGrammar {
  /// Most bytes of a name; object paths have no limit of their own. Spec: "message-protocol-names".
  public static var nameByteCountMax: Int { 255 }

  /// Whether all of `bytes` is an object path: `/`, or elements of `[A-Za-z0-9_]` with a `/` before each.
  public static func isObjectPath(_ bytes: RawSpan) -> Bool { isObjectPath(bytes, 0, bytes.byteCount) }

  /// Whether all of `bytes` is an interface name: two or more elements of `[A-Za-z0-9_]` that don't begin with a digit,
  /// with a `.` between.
  public static func isInterface(_ bytes: RawSpan) -> Bool { isInterface(bytes, 0, bytes.byteCount) }

  /// Whether all of `bytes` is a member name: `[A-Za-z0-9_]`, not beginning with a digit.
  public static func isMember(_ bytes: RawSpan) -> Bool { isMember(bytes, 0, bytes.byteCount) }

  /// Whether all of `bytes` is an error name: as an interface name.
  public static func isErrorName(_ bytes: RawSpan) -> Bool { isInterface(bytes, 0, bytes.byteCount) }

  /// Whether all of `bytes` is a bus name, unique or well-known: as an interface name, but `-` is allowed.
  public static func isBusName(_ bytes: RawSpan) -> Bool { isBusName(bytes, 0, bytes.byteCount) }

  /// Whether all of `bytes` is a unique name: a bus name after a `:`, elements may begin with a digit.
  public static func isUniqueName(_ bytes: RawSpan) -> Bool {
    bytes.byteCount != 0 && bytes.byte(0) == UInt8(ascii: ":") && isBusName(bytes, 0, bytes.byteCount)
  }

  @inline(__always)
  static func isObjectPath(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    guard count != 0, bytes.byte(offset) == UInt8(ascii: "/") else { return false }
    if count == 1 { return true }
    return areElements(bytes, offset &+ 1, count &- 1, .path)
  }

  @inline(__always)
  static func isInterface(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    count != 0 && count <= nameByteCountMax && areElements(bytes, offset, count, .interface)
  }

  @inline(__always)
  static func isMember(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    count != 0 && count <= nameByteCountMax && areElements(bytes, offset, count, .member)
  }

  @inline(__always)
  static func isBusName(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    guard count != 0, count <= nameByteCountMax else { return false }
    if bytes.byte(offset) != UInt8(ascii: ":") { return areElements(bytes, offset, count, .wellKnownName) }
    return count != 1 && areElements(bytes, offset &+ 1, count &- 1, .uniqueName)
  }

  /// Whether all of a namespace, as match rules and policies have it: a well-known name that may be of one element.
  static func isNamespace(_ bytes: RawSpan) -> Bool {
    bytes.byteCount != 0 && bytes.byteCount <= nameByteCountMax && areElements(bytes, 0, bytes.byteCount, .namespace)
  }
}

/// What elements of a path or name may look like.
private struct ElementGrammar {
  /// The byte between elements; 0 if there is only one element.
  var separator: UInt64
  var allowsHyphen: Bool
  var allowsLeadingDigit: Bool
  var needsSeparator: Bool

  static var path: Self { Self(separator: 0x2F, allowsHyphen: false, allowsLeadingDigit: true, needsSeparator: false) }
  static var interface: Self { Self(separator: 0x2E, allowsHyphen: false, allowsLeadingDigit: false, needsSeparator: true) }
  static var member: Self { Self(separator: 0, allowsHyphen: false, allowsLeadingDigit: false, needsSeparator: false) }
  static var wellKnownName: Self { Self(separator: 0x2E, allowsHyphen: true, allowsLeadingDigit: false, needsSeparator: true) }
  static var uniqueName: Self { Self(separator: 0x2E, allowsHyphen: true, allowsLeadingDigit: true, needsSeparator: true) }
  static var namespace: Self { Self(separator: 0x2E, allowsHyphen: true, allowsLeadingDigit: false, needsSeparator: false) }
}

/// 0x80 in every byte.
private let highs: UInt64 = 0x8080_8080_8080_8080
/// 0x01 in every byte.
private let ones: UInt64 = 0x0101_0101_0101_0101

/// 0x80 in each byte of `word` that is at least `limit`. Precondition: all bytes are below 0x80, so that no byte borrows.
@inline(__always)
private func atLeast(_ word: UInt64, _ limit: UInt64) -> UInt64 { ((word | highs) &- ones &* limit) & highs }

/// 0x80 in each byte of `word` that is `byte`. Precondition: all bytes are below 0x80.
@inline(__always)
private func equal(_ word: UInt64, _ byte: UInt64) -> UInt64 { ~(((word ^ (ones &* byte)) | highs) &- ones) & highs }

/// Whether the `count` bytes from `offset` are elements of `grammar`, none of them empty, with one separator between each two.
///
/// Sets of bytes are words with 0x80 at each member's place. `sp &<< 8 | carry` is the set of bytes that stand after a separator;
/// `carry` takes that from word to word and begins as if a separator stood before the first byte.
@inline(__always)
private func areElements(_ bytes: RawSpan, _ offset: Int, _ count: Int, _ grammar: ElementGrammar) -> Bool {
  var offset = offset, carry: UInt64 = 0x80, separators: UInt64 = 0
  let end = offset &+ count
  while offset < end {
    let left = end &- offset
    let word: UInt64, places: UInt64, last: UInt64
    if left >= 8 {
      (word, places, last) = (bytes.word(offset), highs, 56)
    } else {
      (word, places) = (bytes.partialWord(before: end, count: left), highs &>> UInt64((8 &- left) &* 8))
      last = UInt64((left &- 1) &* 8)
    }
    if word & highs != 0 { return false }
    let lower = word | ones &* 0x20
    let digits = atLeast(word, 0x30) & ~atLeast(word, 0x3A)
    var allowed = atLeast(lower, 0x61) & ~atLeast(lower, 0x7B) & atLeast(word, 0x41) | digits | equal(word, 0x5F)
    if grammar.allowsHyphen { allowed |= equal(word, 0x2D) }
    let found = grammar.separator == 0 ? 0 : equal(word, grammar.separator)
    if (allowed | found) & places != places { return false }
    let afterSeparator = found &<< 8 | carry
    if afterSeparator & (found | (grammar.allowsLeadingDigit ? 0 : digits)) != 0 { return false }
    separators |= found
    carry = found &>> last & 0x80
    offset &+= 8
  }
  return carry == 0 && (!grammar.needsSeparator || separators != 0)
}
