// Words that some patterns match, told apart by which others match them too. A walk, shortest words first, through the product of
// the patterns' automata and the grammar's. Called by MessageSearch, once for each part of a message.
//
// Two words with the same state of the product are alike for every pattern, so one of them is enough; and of two sets of matching
// patterns, one inside the other, the smaller is enough, as whoever asks looks for what is matched by as little as possible.

import GatePolicy

/// A search among legal names of one sort.
struct WitnessSearch {
  let sort: NameSort
  /// Patterns that must all match.
  let wanted: [Glob]
  /// Patterns that are asked about, no two the same.
  let others: [Glob]
  let budget: SearchBudget

  /// How many sets that were of no use are remembered to pass over larger ones. Untuned.
  private static let uselessMax = 64

  /// Calls `body` with a word that all of `wanted` match and the ascending indices of those of `others` that match it, until it
  /// returns true.
  ///
  /// Every other word is matched by all that some word given to `body` is matched by. May end early if the budget is spent.
  /// - Returns: Whether `body` did.
  func find(_ body: ([UInt8], [Int]) -> Bool) -> Bool {
    if let literal = wanted.first(where: \.isLiteral) {
      let word = literal.pattern
      guard sort.isLegal(word), wanted.allSatisfy({ $0.accepts(word) }) else { return false }
      return body(word, others.indices.filter { others[$0].accepts(word) })
    }
    var (certain, possible): ([Int], [Int]) = ([], [])
    for index in others.indices {
      let other = others[index]
      if wanted.contains(where: { other.surelyCovers($0) }) {
        certain.append(index)
      } else if wanted.allSatisfy({ $0.mayOverlap(other) }) {
        possible.append(index)
      }
    }
    var useless: [Set<Int>] = []
    var seen: Set<[Int]> = []
    var walk = AutomatonWalk(sort: sort, wanted: wanted, others: possible.map { others[$0] }, budget: budget)
    while let (word, matched) = walk.next() {
      let indices = matched.map { possible[$0] }
      if !seen.insert(indices).inserted || useless.contains(where: { $0.isSubset(of: indices) }) { continue }
      if body(word, (certain + indices).sorted()) { return true }
      // All other words are matched by more.
      if indices.isEmpty { return false }
      if useless.count < Self.uselessMax { useless.append(Set(indices)) }
    }
    return false
  }
}
