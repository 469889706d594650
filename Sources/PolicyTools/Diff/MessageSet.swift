// The messages of one policy's rules, found by what they can have in common with another. Made by PolicyComparison, asked by MessageSearch.

import GatePolicy

/// A union of rules' messages, with an index.
struct MessageSet {
  /// Each has one pattern for every part.
  let subsets: [RuleMessages]
  private var named: [[UInt8]: [Int]] = [:]
  /// The keys of `named`, ascending.
  private var names: [[UInt8]] = []
  /// Subsets whose interface has a wildcard.
  private var globs: [Int] = []
  /// Subsets that meet calls without INTERFACE.
  private var withoutInterface: [Int] = []
  private var equal: [[[UInt8]]: [Int]] = [:]

  /// The union of `subsets`.
  init(_ subsets: [RuleMessages]) {
    self.subsets = subsets
    for (index, messages) in subsets.enumerated() {
      if messages.interface[0].isLiteral {
        named[messages.interface[0].pattern, default: []].append(index)
      } else {
        globs.append(index)
      }
      if !messages.cells.isSubset(of: .withInterface) { withoutInterface.append(index) }
      equal[Self.key(messages), default: []].append(index)
    }
    names = named.keys.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private static func key(_ messages: RuleMessages) -> [[UInt8]] {
    [messages.interface[0].pattern, messages.path[0].pattern, messages.member[0].pattern] + messages.names.map(\.pattern)
  }

  /// Whether some subset has the same patterns as `messages` and covers it in `cell`.
  func hasEqual(_ messages: RuleMessages, in cell: MessageCells) -> Bool {
    (equal[Self.key(messages)] ?? []).contains { index in
      let other = subsets[index]
      return other.cells.isSuperset(of: cell) && other.descriptors.contains(messages.descriptors.lowerBound)
        && other.descriptors.contains(messages.descriptors.upperBound)
    }
  }

  /// The subsets that may have messages of one of `cells`, all with INTERFACE or all without, in common with `messages`. If
  /// `namesCount`, of those that ask for a name only such as are met by somebody with no more names than `messages` wants.
  func overlapping(_ messages: RuleMessages, in cells: MessageCells, namesCount: Bool = true) -> [RuleMessages] {
    candidates(for: messages, in: cells).map { subsets[$0] }.filter { other in
      !other.cells.isDisjoint(with: cells) && other.descriptors.overlaps(messages.descriptors)
        && messages.path.allSatisfy { $0.mayOverlap(other.path[0]) }
        && messages.member.allSatisfy { $0.mayOverlap(other.member[0]) }
        && (!namesCount || other.names.isEmpty || messages.names.contains { $0.mayOverlap(other.names[0]) })
        && (!cells.hasInterface || messages.interface.allSatisfy { $0.mayOverlap(other.interface[0]) })
    }
  }

  private func candidates(for messages: RuleMessages, in cells: MessageCells) -> [Int] {
    if !cells.hasInterface { return withoutInterface }
    if let literal = messages.interface.first(where: \.isLiteral) { return (named[literal.pattern] ?? []) + globs }
    let prefix = messages.interface.map(\.literalPrefix).max { $0.count < $1.count }!
    // Names that begin alike stand side by side.
    var (low, high) = (0, names.count)
    while low < high {
      let middle = (low + high) / 2
      if names[middle].lexicographicallyPrecedes(prefix) { low = middle + 1 } else { high = middle }
    }
    return names[low...].prefix { $0.starts(with: prefix) }.flatMap { named[$0]! } + globs
  }
}
