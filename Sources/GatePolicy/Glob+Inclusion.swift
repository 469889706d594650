// Whether one glob matches all that another matches. Asked when a policy is compiled, never about a message.

extension Glob {
  /// Whether this pattern matches every text that `inner` matches. Never says yes wrongly. Says no wrongly where a `?` of this pattern
  /// could only be met by a byte behind a `*` of `inner` (`?*` has all of `*a`).
  ///
  /// `inner` is read as a text, in which a `*` can only be taken by a `*` of this pattern. There is no other way: among the texts that
  /// `inner` matches is one that has, for each of its wildcards, a byte that is in neither pattern.
  package func includes(_ inner: Glob) -> Bool {
    if pattern.isEmpty || inner.pattern.isEmpty { return false }
    if pattern == inner.pattern || isEverything { return true }
    if isLiteral { return false }
    let (star, question) = (UInt8(ascii: "*"), UInt8(ascii: "?"))
    let text = inner.pattern
    var (p, t) = (0, 0)
    var afterStar = -1, retry = 0
    while t < text.count {
      if p < pattern.count, pattern[p] == star {
        p += 1
        (afterStar, retry) = (p, t)
      } else if p < pattern.count, pattern[p] == question, text[t] != star {
        (p, t) = (p + 1, t + 1)
        while t < text.count, text[t] & 0xC0 == 0x80 { t += 1 }
      } else if p < pattern.count, pattern[p] != question, pattern[p] == text[t] {
        (p, t) = (p + 1, t + 1)
      } else if afterStar >= 0 {
        retry += 1
        (p, t) = (afterStar, retry)
      } else {
        return false
      }
    }
    return pattern[p...].allSatisfy { $0 == star }
  }
}
