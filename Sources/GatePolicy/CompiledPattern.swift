// A glob inside a compiled policy: no reference, only a place in the arena and the cheapest way to match it. Made by
// PolicyCompiler, matched by Policy.

import DBusWire

/// A glob whose bytes are in the policy's arena.
struct CompiledPattern: BitwiseCopyable {
  /// How it is matched.
  enum Kind: UInt8, BitwiseCopyable {
    /// `*`, which needs no look at the text.
    case everything
    /// No wildcard.
    case literal
    /// One wildcard, a `*` at the end. The arena has what stands before it.
    case prefix
    /// Anything else.
    case glob
  }

  let offset: UInt32
  let count: UInt32
  let kind: Kind

  /// Whether the whole of `text` is matched. `arena` is the policy's.
  @inline(__always)
  func matches(_ text: RawSpan, in arena: RawSpan) -> Bool {
    if kind == .everything { return true }
    let pattern = arena.extracting(Int(offset)..<Int(offset) + Int(count))
    switch kind {
    case .everything, .literal: return pattern.isEqual(to: text)
    case .prefix:
      return text.byteCount >= pattern.byteCount && pattern.isEqual(to: text.extracting(first: pattern.byteCount))
    case .glob: return Glob.matches(pattern: pattern, text: text)
    }
  }
}
