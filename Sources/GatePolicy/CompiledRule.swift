// A rule inside a compiled policy: no reference, all patterns by place. Made by PolicyCompiler, visited by Policy's search.

/// A rule that has been found by its interface, and what else must match.
struct CompiledRule: BitwiseCopyable {
  /// Matched only where the rule was not found by its exact interface.
  let interface: CompiledPattern
  let path: CompiledPattern
  /// Where the rule's method patterns are: `methodCount` of them from `firstMethod` on.
  let firstMethod: UInt32
  let methodCount: UInt32
  /// Index in `Policy.rules`.
  let index: Int32
  /// The numbers of descriptors with which a message matches: `descriptorsMin...descriptorsMax`.
  let descriptorsMin: Int32
  let descriptorsMax: Int32
  let methodCalls: Bool
  let signals: Bool
  let log: Bool?
  /// What is asked of the other end.
  let name: CompiledName
  /// Whether anything is asked of it.
  let asksForName: Bool
}
