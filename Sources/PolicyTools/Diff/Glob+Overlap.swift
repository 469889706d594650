// What is plain to see of one glob, and of two: quick answers that save the walk of WitnessSearch.

import GatePolicy

extension Glob {
  /// Whether the whole of `word` is matched.
  func accepts(_ word: [UInt8]) -> Bool { matches(unsafe word.span.bytes) }

  /// Whether there is one wildcard, a `*` at the end.
  var isPrefix: Bool { literalPrefix.count == pattern.count - 1 && pattern.last == UInt8(ascii: "*") }

  /// Whether everything that `other` matches is matched: true only if that is plain to see.
  func surelyCovers(_ other: Glob) -> Bool {
    if pattern == other.pattern { return true }
    if other.isLiteral { return accepts(other.pattern) }
    return isPrefix && other.literalPrefix.starts(with: literalPrefix)
  }

  /// Whether something might be matched by this and by `other`: false only if that is plain to see.
  func mayOverlap(_ other: Glob) -> Bool {
    if isLiteral { return other.accepts(pattern) }
    if other.isLiteral { return accepts(other.pattern) }
    let (mine, theirs) = (literalPrefix, other.literalPrefix)
    return mine.count < theirs.count ? theirs.starts(with: mine) : mine.starts(with: theirs)
  }
}
