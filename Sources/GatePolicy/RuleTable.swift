// The rules of one direction and one action, by place in the policy's arrays. Made by PolicyCompiler, one of four per Policy.

/// Where the rules of one direction and action are.
///
/// Each rule is in exactly one of three places, each sorted by index: in the group of its interface if that is literal, found by
/// hash; among those that match every interface; or among the globs, which are visited one by one.
struct RuleTable: Sendable {
  /// First of the table's slots; slot `s` has the groups from `slots[s]` up to `slots[s + 1]`.
  var firstSlot = 0
  /// Number of slots minus 1; they are a power of two.
  var slotMask: UInt64 = 0
  /// The hash that leads to a slot.
  let hash: InterfaceHash
  /// Places of all rules of the table: those in groups, `everything`, `globs`.
  var places = 0..<0
  /// Rules whose interface is exactly `*`: all that an allowed call without interface may go by.
  var everything = 0..<0
  /// Rules whose interface has some other wildcard.
  var globs = 0..<0
}

/// Rules that name the same interface, without wildcard.
struct InterfaceGroup: BitwiseCopyable {
  /// The name, whose kind is literal.
  let name: CompiledPattern
  /// Upper half of the name's hash; the slot is taken from the lower.
  let tag: UInt32
  let firstRule: UInt32
  let ruleCount: UInt32
}
