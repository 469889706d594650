// The rules of one direction and one action, by place in the policy's arrays. Made by PolicyCompiler, one of four per Policy.

/// Where the rules of one direction and action are.
///
/// Each rule is in exactly one of three runs, which follow one another, each sorted by index: in the group of its interface if
/// that is literal, found by hash; among those that match every interface; or among the globs, which are visited one by one.
struct RuleTable: BitwiseCopyable {
  /// First of the table's slots; slot `s` has the groups from `slots[s]` up to `slots[s + 1]`.
  let firstSlot: UInt32
  /// Number of slots minus 1; they are a power of two.
  let slotMask: UInt32
  /// Place of the first rule, which is in a group if there are any.
  let first: UInt32
  /// Place of the first rule whose interface is exactly `*`. Of allow rules, only these match a call without interface.
  let firstEverything: UInt32
  /// Place of the first rule whose interface has some other wildcard.
  let firstGlob: UInt32
  /// The place after the last rule.
  let end: UInt32

  /// A table without rules.
  static let empty = RuleTable(firstSlot: 0, slotMask: 0, first: 0, firstEverything: 0, firstGlob: 0, end: 0)

  /// Whether the table has no rules.
  var isEmpty: Bool { first == end }
  /// Places of all rules.
  var places: Range<Int> { Int(first)..<Int(end) }
  /// Places of the rules for every interface.
  var everything: Range<Int> { Int(firstEverything)..<Int(firstGlob) }
  /// Places of the rules whose interface has some other wildcard.
  var globs: Range<Int> { Int(firstGlob)..<Int(end) }

  /// The slot that `hash` leads to.
  func slot(of hash: UInt64) -> Int { Int(firstSlot) + Int(UInt32(truncatingIfNeeded: hash) & slotMask) }
}
