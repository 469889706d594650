// What two policies disagree about when the bus is asked about names: which are visible, which may be requested. What `names` opens to
// messages is in the rules that a policy makes of it, and so a matter of PolicyComparison.

import GatePolicy

/// A name that one of two policies opens further than the other.
public struct NameDifference: Sendable, Equatable {
  /// What became of it.
  public let change: PolicyDifference.Change
  /// How far it is open in one policy and not in the other: `see` or `own`.
  public let level: NameLevel
  /// A well-known name.
  public let example: [UInt8]
  /// The entry that opens it; nil where a policy without `names` hides none.
  public let openedBy: SourceLocation?

  /// All differences between the names of two policies, one for each entry and level. Nil: the policy has no `names`.
  public static func differences(from old: NameRules?, to new: NameRules?) -> [NameDifference] {
    gains(from: old, to: new, .allowed) + gains(from: new, to: old, .noLongerAllowed)
  }

  private static func gains(from before: NameRules?, to after: NameRules?, _ change: PolicyDifference.Change) -> [NameDifference]
  {
    [NameLevel.see, .own].flatMap { level -> [NameDifference] in
      // Without `names` all are visible; who may own one is then said by rules.
      if before == nil && level == .see { return [] }
      let others = (before?.entries ?? []).filter { $0.level >= level }.flatMap(\.pattern.globs)
      func add(_ glob: Glob, _ location: SourceLocation?) -> NameDifference? {
        example(of: glob, outside: others).map {
          NameDifference(change: change, level: level, example: $0, openedBy: location)
        }
      }
      guard let after else { return level == .see ? [add(Glob([UInt8(ascii: "*")]), nil)].compactMap { $0 } : [] }
      return after.entries.filter { $0.level >= level }.compactMap { entry in
        entry.pattern.globs.lazy.compactMap { add($0, entry.location) }.first
      }
    }
  }

  private static func example(of glob: Glob, outside others: [Glob]) -> [UInt8]? {
    var distinct: [Glob] = []
    for other in others where !distinct.contains(other) { distinct.append(other) }
    let budget = SearchBudget()
    budget.begin()
    var found: [UInt8]?
    _ = WitnessSearch(sort: .name, wanted: [glob], others: distinct, budget: budget).find { name, matched in
      if matched.isEmpty { found = name }
      return matched.isEmpty
    }
    return found
  }
}
