// A pattern with `*` and `?`, as GLib's GPatternSpec. Made by the document parser; Policy copies its bytes into its own arena and
// calls the static matching function. Knows nothing of names, paths or subtrees.

import DBusWire

/// A pattern against which a whole text is matched.
///
/// `*` is any sequence, the empty one included, across `.` and `/`; `?` is exactly one character; everything else stands for
/// itself. Case counts, and nothing can be escaped. The pattern of no bytes matches only the text of no bytes.
///
/// The behaviour is that of GLib's GPatternSpec on valid UTF-8.
public struct Glob: Sendable, Equatable {
  /// The pattern as it was written.
  public let pattern: [UInt8]
  /// Number of bytes before the first wildcard.
  let literalCount: Int

  /// The glob that `pattern`, UTF-8, spells. Every pattern is legal.
  public init(_ pattern: [UInt8]) {
    self.pattern = pattern
    literalCount = pattern.firstIndex { $0 == UInt8(ascii: "*") || $0 == UInt8(ascii: "?") } ?? pattern.count
  }

  /// Whether there is no wildcard: the pattern matches itself only.
  public var isLiteral: Bool { literalCount == pattern.count }

  /// Whether the pattern is exactly `*`. (`**` matches as much, but is not what lets a call without interface pass.)
  public var isEverything: Bool { pattern.count == 1 && pattern[0] == UInt8(ascii: "*") }

  /// What each matching text begins with.
  public var literalPrefix: ArraySlice<UInt8> { pattern[..<literalCount] }

  /// Whether the whole of `text`, UTF-8, is matched. Takes at most pattern × text steps, and linear ones with a single `*`.
  public func matches(_ text: RawSpan) -> Bool {
    Glob.matches(pattern: unsafe pattern.span.bytes, text: text)
  }

  /// Whether the whole of `text`, UTF-8, is matched.
  package func matches(_ text: [UInt8]) -> Bool { matches(unsafe text.span.bytes) }

  /// Whether the bytes of `pattern` match the whole of `text`.
  ///
  /// On a mismatch only the last `*` takes one byte more. An earlier one cannot help: what stands between the two has matched at the
  /// earliest place there is. So nothing backtracks twice.
  ///
  /// `*` may stop inside a character, which opens nothing. A literal can't match there, and a `?` that could has matched from the
  /// character's first byte before.
  static func matches(pattern: RawSpan, text: RawSpan) -> Bool {
    var p = 0
    var t = 0
    var afterStar = -1
    var retry = 0
    while t < text.byteCount {
      let wanted = p < pattern.byteCount ? pattern.byte(at: p) : 0
      if p < pattern.byteCount, wanted == UInt8(ascii: "*") {
        p += 1
        if p == pattern.byteCount { return true }
        afterStar = p
        retry = t
      } else if p < pattern.byteCount, wanted == UInt8(ascii: "?") {
        p += 1
        t += 1
        while t < text.byteCount, isContinuation(text.byte(at: t)) { t += 1 }
      } else if p < pattern.byteCount, wanted != UInt8(ascii: "?"), wanted == text.byte(at: t) {
        p += 1
        t += 1
      } else if afterStar >= 0 {
        p = afterStar
        retry += 1
        t = retry
      } else {
        return false
      }
    }
    while p < pattern.byteCount, pattern.byte(at: p) == UInt8(ascii: "*") { p += 1 }
    return p == pattern.byteCount
  }

  /// Whether `byte` continues a UTF-8 character, so that no character begins with it.
  private static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }
}
