// The rules of one interface, in one table. Made by PolicyCompiler, found by hash in CompiledRules.

/// Rules that name the same interface, without wildcard.
struct InterfaceGroup: BitwiseCopyable {
  /// The name, whose kind is literal.
  let name: CompiledPattern
  /// Upper half of the name's hash; the slot is taken from the lower.
  let tag: UInt32
  /// Place of the first rule.
  let firstRule: UInt32
  /// Number of rules, whose places follow.
  let ruleCount: UInt32

  /// Places of the rules.
  var places: Range<Int> { Int(firstRule)..<Int(firstRule) + Int(ruleCount) }
}
