// A name pattern inside a compiled policy: no reference, only a place in the arena. Made by PolicyCompiler, matched by CompiledRules.

/// What a rule asks of the other end's name.
struct CompiledName: BitwiseCopyable {
  /// Number of the pattern in the policy; −1: the rule asks nothing of names.
  let number: Int32
  let offset: UInt32
  let count: UInt32
  let kind: NamePattern.Kind
  /// Whether a name that is not owned any more counts, too.
  let isSticky: Bool
  let isDeny: Bool
  /// Whether signals to everybody are meant only.
  let isForBroadcasts: Bool

  /// A rule that asks nothing of names.
  static let anybody = CompiledName(
    number: -1, offset: 0, count: 0, kind: .exact, isSticky: false, isDeny: false, isForBroadcasts: false)

  /// Whether the one who is addressed by `name`, or is known as `peer`, is meant.
  func matches(_ name: RawSpan, _ peer: MessagePeer, in arena: RawSpan) -> Bool {
    if isForBroadcasts && !peer.isBroadcast { return false }
    if number < 0 { return true }
    if (isSticky ? peer.everOwned : peer.owned).contains(Int(number)) { return true }
    if isDeny && peer.mayOwnMore { return true }
    return NamePattern.matches(kind, arena.extracting(Int(offset)..<Int(offset) + Int(count)), name)
  }
}
