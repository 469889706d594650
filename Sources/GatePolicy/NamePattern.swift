// A pattern for well-known bus names, as `name`, `names` and the options of xdg-dbus-proxy have it. Knows no bus and no owner: GateSession
// follows which unique name owns which well-known one.

import DBusWire

/// A pattern for well-known names: `org.foo`, a subtree `org.foo.*`, or a glob.
///
/// A subtree has `org.foo` itself and everything below it, element by element: `org.foo.bar`, not `org.foobar`. Any other `*`, and
/// `?`, are those of ``Glob``; a glob that ends in `.*` also has what it matches without that ending. Unique names are never matched.
///
/// The behaviour is that of xdg-dbus-proxy(1).
public struct NamePattern: Sendable, Hashable, CustomStringConvertible {
  /// How names are matched.
  enum Kind: UInt8, BitwiseCopyable, Sendable {
    case exact, subtree, glob
  }

  /// The pattern as it was written.
  public let text: [UInt8]
  let kind: Kind

  /// The pattern that `text` spells.
  ///
  /// Throws where `text` cannot be, or match, a well-known name.
  public init(_ text: [UInt8]) throws(NamePatternError) {
    try NamePattern.check(text)
    self.text = text
    let isSubtree = text.count > 2 && text.suffix(2).elementsEqual(".*".utf8)
    let rest = isSubtree ? text.dropLast(2) : text[...]
    if rest.contains(where: { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") }) {
      kind = .glob
    } else {
      kind = isSubtree ? .subtree : .exact
    }
  }

  /// Whether one name at most is matched.
  public var isExact: Bool { kind == .exact }

  /// The pattern as text.
  public var description: String { String(decoding: text, as: UTF8.self) }

  /// Elements that every matching name begins with, without a wildcard: the whole name if the pattern is exact, nothing if no element is
  /// known. What follows them is below them, element by element.
  public var namespace: ArraySlice<UInt8> {
    switch kind {
    case .exact: return text[...]
    case .subtree: return text.dropLast(2)
    case .glob:
      let literal = Glob(text).literalPrefix
      guard let dot = literal.lastIndex(of: UInt8(ascii: ".")) else { return [] }
      return literal[..<dot]
    }
  }

  /// Whether `name`, a bus name, is matched. A unique name is not.
  public func matches(_ name: RawSpan) -> Bool {
    NamePattern.matches(kind, unsafe text.span.bytes, name)
  }

  /// Whether `name` is matched.
  func matches(_ name: [UInt8]) -> Bool { matches(unsafe name.span.bytes) }

  /// Whether the bytes of a pattern of this kind match `name`.
  static func matches(_ kind: Kind, _ pattern: RawSpan, _ name: RawSpan) -> Bool {
    if name.byteCount == 0 || name.byte(at: 0) == UInt8(ascii: ":") { return false }
    switch kind {
    case .exact: return pattern.isEqual(to: name)
    case .subtree: return isBelow(pattern.extracting(0..<pattern.byteCount - 2), name)
    case .glob:
      if Glob.matches(pattern: pattern, text: name) { return true }
      let count = pattern.byteCount
      guard count > 2, pattern.byte(at: count - 2) == UInt8(ascii: "."), pattern.byte(at: count - 1) == UInt8(ascii: "*") else {
        return false
      }
      return Glob.matches(pattern: pattern.extracting(0..<count - 2), text: name)
    }
  }

  /// Whether `name` is `base` or below it.
  private static func isBelow(_ base: RawSpan, _ name: RawSpan) -> Bool {
    if name.byteCount < base.byteCount || !name.extracting(0..<base.byteCount).isEqual(to: base) { return false }
    return name.byteCount == base.byteCount || name.byte(at: base.byteCount) == UInt8(ascii: ".")
  }

  // MARK: Grammar

  /// Longest pattern: that of a name, and the ending of a subtree. Spec: "message-protocol-names".
  private static let byteCountMax = 257

  /// Throws at the first byte that no well-known name has, wildcards aside.
  private static func check(_ text: [UInt8]) throws(NamePatternError) {
    if text.count > byteCountMax { throw NamePatternError(offset: byteCountMax, expected: "at most 255 bytes of a name") }
    if text.first == UInt8(ascii: ":") { throw NamePatternError(offset: 0, expected: "a well-known name, not a unique one") }
    var isElementEmpty = true
    var hasDot = false
    for (offset, byte) in text.enumerated() {
      switch byte {
      case UInt8(ascii: "."):
        if isElementEmpty { throw NamePatternError(offset: offset, expected: "a letter, \"_\", \"-\" or a wildcard") }
        isElementEmpty = true
        hasDot = true
        continue
      case UInt8(ascii: "0")...UInt8(ascii: "9"):
        if isElementEmpty { throw NamePatternError(offset: offset, expected: "no digit at the start of an element") }
      case UInt8(ascii: "*"), UInt8(ascii: "?"): hasDot = true  // may stand for one
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), UInt8(ascii: "-"):
        break
      default: throw NamePatternError(offset: offset, expected: "a letter, digit, \"_\", \"-\", \".\" or a wildcard")
      }
      isElementEmpty = false
    }
    if isElementEmpty { throw NamePatternError(offset: text.count, expected: "an element of a name") }
    if !hasDot { throw NamePatternError(offset: text.count, expected: "\".\" and another element") }
  }
}
