// What two policies disagree about, decided on the languages of their patterns and within the grammars of paths and names. Reads
// nothing and prints nothing.
//
// A policy is A \ D, the union of what its allow rules match without that of its deny rules. The new one gains, from each rule's messages p
// of its A: p \ (A_old ∪ D_new), and for each d of the old one's D: (p ∩ d) \ D_new. MessageSearch is asked for both. Every
// message it finds is put to both compiled policies before it is believed.

import GatePolicy

/// The differences of two policies for one bus.
public struct PolicyComparison: Sendable {
  /// One for each rule, member pattern and sort of message, at most two where a deny rule has gone. First what is newly allowed.
  public private(set) var differences: [PolicyDifference] = []
  /// Where the bound on work was hit.
  public private(set) var undecided: [UndecidedRule] = []

  /// Compares what the rules say. Takes linear time where rules name their interfaces.
  /// - Parameters:
  ///   - old: the rules before.
  ///   - new: the rules after.
  ///   - progress: is told how much is done, from 0 to 1.
  public init(from old: [GatewayRule], to new: [GatewayRule], progress: (Double) -> Void = { _ in }) {
    self.init(from: old, to: new, budget: SearchBudget(), progress: progress)
  }

  init(from old: [GatewayRule], to new: [GatewayRule], budget: SearchBudget, progress: (Double) -> Void = { _ in }) {
    let (old, new) = (PolicySides(old), PolicySides(new))
    let search = MessageSearch(budget: budget)
    let work = Double(max(1, new.peers.allow.subsets.count + old.peers.allow.subsets.count))
    var done = 0
    func advance() {
      done += 1
      if done % 256 == 0 { progress(Double(done) / work) }
    }
    compare(from: old, to: new, .allowed, search, advance)
    compare(from: new, to: old, .noLongerAllowed, search, advance)
  }

  private mutating func compare(
    from before: PolicySides, to after: PolicySides, _ change: PolicyDifference.Change, _ search: MessageSearch,
    _ advance: () -> Void
  ) {
    var shown: Set<[Int]> = []
    var (lastRule, lastMethod, lastCells): (Int, [UInt8], MessageCells) = (-1, [], [])
    func key(_ messages: RuleMessages, _ cell: MessageCells, _ member: [UInt8]) -> [Int] {
      [messages.rule, Int(cell.rawValue)] + member.map(Int.init)
    }
    for messages in after.peers.allow.subsets {
      let nearby = Nearby(messages, before.peers, after.peers)
      if messages.rule != lastRule || messages.member[0].pattern != lastMethod {
        (lastRule, lastMethod, lastCells) = (messages.rule, messages.member[0].pattern, [])
      }
      for cell in MessageCells.each where messages.cells.isSuperset(of: cell) && !lastCells.contains(cell) {
        guard let example = example(before, after, \.peers, nearby, cell, change, search) else { continue }
        add(example, messages, before, after, change)
        shown.insert(key(messages, cell, example.member))
        lastCells.insert(cell)
      }
      advance()
    }
    for messages in after.driver.allow.subsets {
      let nearby = Nearby(messages, before.driver, after.driver)
      for cell in MessageCells.each where messages.cells.isSuperset(of: cell) {
        guard var example = example(before, after, \.driver, nearby, cell, change, search),
          !shown.contains(key(messages, cell, example.member))
        else { continue }
        example.isForDriver = true
        add(example, messages, before, after, change)
      }
    }
  }

  private mutating func example(
    _ before: PolicySides, _ after: PolicySides, _ about: KeyPath<PolicySides, PolicySides.Side>, _ nearby: Nearby,
    _ cell: MessageCells, _ change: PolicyDifference.Change, _ search: MessageSearch
  ) -> ExampleMessage? {
    let messages = nearby.messages
    let (location, before, after) = (after.location(of: messages), before[keyPath: about], after[keyPath: about])
    var isUndecided = false
    if !before.allow.hasEqual(messages, in: cell) {
      if let found = search.message(in: messages, cell, outside: nearby.others(in: cell)) { return found }
      isUndecided = search.budget.isSpent
    }
    for denied in before.deny.overlapping(messages, in: cell, namesCount: false)
    where !after.deny.hasEqual(denied, in: cell) {
      guard let both = messages.intersection(denied) else { continue }
      if let found = search.message(in: both, cell, outside: after.deny.overlapping(both, in: cell)) { return found }
      isUndecided = isUndecided || search.budget.isSpent
    }
    if isUndecided { undecided.append(UndecidedRule(change: change, rule: location, method: messages.member[0].pattern)) }
    return nil
  }

  private mutating func add(
    _ example: ExampleMessage, _ messages: RuleMessages, _ before: PolicySides, _ after: PolicySides,
    _ change: PolicyDifference.Change
  ) {
    precondition(after.allows(example) && !before.allows(example), "the compiled policies say otherwise: \(example)")
    let denial = before.denial(of: example)
    differences.append(
      PolicyDifference(
        change: change, example: example, allowedBy: after.location(of: messages), method: messages.member[0].pattern,
        deniedBy: denial))
  }
}
