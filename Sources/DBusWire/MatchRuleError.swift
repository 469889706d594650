// Why a match rule is refused.

/// Why a text is not a match rule. Cases carry the byte offset of the key or value that is wrong.
///
/// Spec: "message-bus-routing-match-rules".
public enum MatchRuleError: Error, Equatable, Sendable {
  /// More than 1024 bytes.
  case tooLong
  /// A NUL byte inside.
  case nul(Int)
  /// No key where one has to be: a stray `=`.
  case noKey(Int)
  /// A key without `=`.
  case noValue(Int)
  /// A key that the specification doesn't have, or an argument number that isn't 0…63.
  case unknownKey(Int)
  /// A key, or another one for the same thing, that was there before.
  case repeatedKey(Int)
  /// More than 16 keys: the reference implementation ignores those.
  case tooManyKeys(Int)
  /// A value that isn't what its key needs.
  case value(Int)
  /// An apostrophe that was not closed.
  case openQuote(Int)
  /// A backslash outside of quotes and before a comma or another backslash: the buses read these in different ways.
  case ambiguousBackslash(Int)
}

extension MatchRuleError: CustomStringConvertible {
  /// One sentence without its full stop.
  public var description: String {
    switch self {
    case .tooLong: "match rule has more than \(MatchRule.byteCountMax) bytes"
    case .nul(let offset): "NUL in match rule, at byte \(offset)"
    case .noKey(let offset): "match rule has no key, at byte \(offset)"
    case .noValue(let offset): "match rule's key has no '=', at byte \(offset)"
    case .unknownKey(let offset): "unknown key in match rule, at byte \(offset)"
    case .repeatedKey(let offset): "key is twice in match rule, at byte \(offset)"
    case .tooManyKeys(let offset): "match rule has more than \(MatchRule.keysMax) keys, at byte \(offset)"
    case .value(let offset): "invalid value in match rule, at byte \(offset)"
    case .openQuote(let offset): "apostrophe not closed in match rule, at byte \(offset)"
    case .ambiguousBackslash(let offset): "ambiguous backslash in match rule, at byte \(offset)"
    }
  }
}
