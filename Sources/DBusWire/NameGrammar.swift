// The grammars of paths and names. Names are most of a header, so these functions are most of the cost of reading a message. They take
// eight bytes at a time and allocate nothing.

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
    bytes.byteCount != 0 && bytes.byte(at: 0) == UInt8(ascii: ":") && isBusName(bytes, 0, bytes.byteCount)
  }

  @inline(__always)
  static func isObjectPath(_ bytes: RawSpan, _ offset: Int, _ count: Int) -> Bool {
    guard count != 0, bytes.byte(at: offset) == UInt8(ascii: "/") else { return false }
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
    if bytes.byte(at: offset) != UInt8(ascii: ":") { return areElements(bytes, offset, count, .wellKnownName) }
    return count != 1 && areElements(bytes, offset &+ 1, count &- 1, .uniqueName)
  }

  /// Whether all of `bytes` is what `arg0namespace` takes: a well-known name, but one element is enough.
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

/// In each byte of `word` the top bit is set where that byte is at least `limit`; the other bits mean nothing.
/// All bytes are below 0x80, so that no byte carries into the next.
@inline(__always)
private func atLeast(_ word: UInt64, _ limit: UInt64) -> UInt64 { word &+ ones &* (0x80 &- limit) }

/// In each byte of `word` the top bit is set where that byte is `byte`; the other bits mean nothing. All bytes are below 0x80.
@inline(__always)
private func equal(_ word: UInt64, _ byte: UInt64) -> UInt64 { ~((word ^ (ones &* byte)) &+ ones &* 0x7F) }

/// What is known of the elements so far. Sets of bytes are words: the top bit of each byte says whether that byte belongs.
private struct ElementScan {
  /// The bytes that must not be where they are.
  var illegal: UInt64 = 0
  /// The separators of the last word.
  var found: UInt64 = 0
  /// The separators of all words.
  var separators: UInt64 = 0
  /// 0x80 if a separator stands before the next word, else 0. Before the first word one is taken to stand.
  var carry: UInt64 = 0x80

  /// Takes the bytes of `word` whose top bits are in `places`, which is all of them or the lower ones.
  @inline(__always)
  mutating func take(_ word: UInt64, _ places: UInt64, _ grammar: ElementGrammar) {
    let lower = word | ones &* 0x20
    let digits = atLeast(word, 0x30) & ~atLeast(word, 0x3A)
    var allowed = atLeast(lower, 0x61) & ~atLeast(lower, 0x7B) | digits | equal(word, 0x5F)
    if grammar.allowsHyphen { allowed |= equal(word, 0x2D) }
    found = grammar.separator == 0 ? 0 : equal(word, grammar.separator) & places
    let afterSeparator = found &<< 8 | carry
    // A byte above 0x7F is illegal wherever it is, and makes what is said of the bytes after it meaningless.
    illegal |= word | ~(allowed | found) & places | afterSeparator & (found | (grammar.allowsLeadingDigit ? 0 : digits))
    separators |= found
    carry = found &>> 56
  }
}

/// Whether the `count` bytes from `offset` are elements of `grammar`, none of them empty, with one separator between each two.
@inline(__always)
private func areElements(_ bytes: RawSpan, _ offset: Int, _ count: Int, _ grammar: ElementGrammar) -> Bool {
  var scan = ElementScan(), offset = offset
  let end = offset &+ count
  while end &- offset >= 8 {
    scan.take(bytes.word(at: offset), highs, grammar)
    offset &+= 8
  }
  let left = end &- offset
  if left > 0 {
    let word = bytes.partialWord(before: end, count: left)
    scan.take(word, highs &>> UInt64((8 &- left) &* 8), grammar)
    scan.carry = scan.found &>> UInt64((left &- 1) &* 8) & 0x80
  }
  return scan.illegal & highs == 0 && scan.carry == 0 && (!grammar.needsSeparator || scan.separators != 0)
}
