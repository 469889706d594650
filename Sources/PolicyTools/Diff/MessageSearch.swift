// Is there a message in one set and in none of many others? Decided part by part: for the names of each part that the others
// tell apart, those that match stay in question for the next part. Called by PolicyComparison.

import GatePolicy

/// Looks for messages.
struct MessageSearch {
  let budget: SearchBudget
  private let legal = KnownPatterns()

  /// A search for as long as `budget` lasts.
  init(budget: SearchBudget) { self.budget = budget }

  /// A legal message of `cell` that is in `messages` and in none of `others`; nil if there is none, or the budget is spent.
  ///
  /// - Parameter others: all that may overlap; what plainly does not may be left out.
  func message(in messages: RuleMessages, _ cell: MessageCells, outside others: [RuleMessages]) -> ExampleMessage? {
    budget.begin()
    let sorts: [NameSort] = cell.hasInterface ? [.interface, .path, .member] : [.path, .member]
    for sort in sorts where !hasName(messages, sort) { return nil }
    let others = others.filter { $0.cells.isSuperset(of: cell) }
    for descriptors in Self.descriptors(of: messages, telling: others) {
      let live = others.filter { $0.descriptors.contains(descriptors) }
      guard let names = peerNames(in: messages, messages.names[...], sorts, outside: live) else { continue }
      return ExampleMessage(
        direction: cell.direction, isSignal: cell.isSignal, interface: cell.hasInterface ? names[0] : nil,
        path: names[sorts.count - 2], member: names[sorts.count - 1], descriptors: descriptors,
        peerNames: Array(names[sorts.count...]))
    }
    return nil
  }

  /// As ``names(in:_:outside:)``, with the other end's names behind the others: one for each of `wanted`, and no more, so that as few
  /// as can be of `others` ask for one of them.
  private func peerNames(
    in messages: RuleMessages, _ wanted: ArraySlice<Glob>, _ sorts: [NameSort], outside others: [RuleMessages],
    _ met: [RuleMessages] = []
  ) -> [[UInt8]]? {
    guard let glob = wanted.first else {
      return names(in: messages, sorts[...], outside: others.filter(\.names.isEmpty) + met)
    }
    let (patterns, byPattern) = Self.grouped(others.filter { !$0.names.isEmpty }, by: .name)
    var found: [[UInt8]]?
    _ = WitnessSearch(sort: .name, wanted: [glob], others: patterns, budget: budget).find { name, matched in
      let met = met + matched.flatMap { byPattern[$0] }
      guard let rest = peerNames(in: messages, wanted.dropFirst(), sorts, outside: others, met) else { return false }
      found = rest + [name]
      return true
    }
    return found
  }

  private func hasName(_ messages: RuleMessages, _ sort: NameSort) -> Bool {
    let patterns = messages.patterns(for: sort)
    let isKnown = patterns.count == 1 && legal.isKnown(patterns[0].pattern, sort)
    if isKnown { return true }
    let isFound = WitnessSearch(sort: sort, wanted: patterns, others: [], budget: budget).find { _, _ in true }
    if isFound && patterns.count == 1 { legal.note(patterns[0].pattern, sort) }
    return isFound
  }

  /// Numbers of descriptors in `messages` such that any other is in all that one of these is in.
  private static func descriptors(of messages: RuleMessages, telling others: [RuleMessages]) -> [Int] {
    // Those are the least, and where one of the others has just ended.
    let ends = others.map { $0.descriptors.upperBound + 1 }.filter { messages.descriptors.contains($0) }
    return Set(ends).union([messages.descriptors.lowerBound]).sorted()
  }

  /// A name for each of `sorts`, all in `messages`, together in none of `others`.
  private func names(in messages: RuleMessages, _ sorts: ArraySlice<NameSort>, outside others: [RuleMessages]) -> [[UInt8]]? {
    guard let sort = sorts.first else { return others.isEmpty ? [] : nil }
    let isCovered = others.contains { other in
      sorts.allSatisfy { sort in messages.patterns(for: sort).contains { other.patterns(for: sort)[0].surelyCovers($0) } }
    }
    if isCovered { return nil }
    let (patterns, byPattern) = Self.grouped(others, by: sort)
    var found: [[UInt8]]?
    _ = WitnessSearch(sort: sort, wanted: messages.patterns(for: sort), others: patterns, budget: budget).find { name, matched in
      guard let rest = names(in: messages, sorts.dropFirst(), outside: matched.flatMap { byPattern[$0] }) else { return false }
      found = [name] + rest
      return true
    }
    return found
  }

  /// The different patterns of `others` for `sort`, and whose they are.
  private static func grouped(_ others: [RuleMessages], by sort: NameSort) -> (patterns: [Glob], byPattern: [[RuleMessages]]) {
    var places: [[UInt8]: Int] = [:]
    var patterns: [Glob] = []
    var byPattern: [[RuleMessages]] = []
    for other in others {
      let glob = other.patterns(for: sort)[0]
      if let place = places[glob.pattern] {
        byPattern[place].append(other)
      } else {
        places[glob.pattern] = patterns.count
        patterns.append(glob)
        byPattern.append([other])
      }
    }
    return (patterns, byPattern)
  }
}

/// Patterns that some legal name matches.
private final class KnownPatterns {
  private var patterns: [NameSort: Set<[UInt8]>] = [:]

  func isKnown(_ pattern: [UInt8], _ sort: NameSort) -> Bool { patterns[sort]?.contains(pattern) ?? false }
  func note(_ pattern: [UInt8], _ sort: NameSort) { patterns[sort, default: []].insert(pattern) }
}
