// The walk itself: states of the product of automata, breadth first. Called by WitnessSearch.

import GatePolicy

/// Goes through the words that some patterns match, one for each state of the product.
struct AutomatonWalk {
  private let sort: NameSort
  private let wanted: [GlobAutomaton]
  /// Patterns with wildcards inside, and their indices.
  private let globs: [(automaton: GlobAutomaton, index: Int)]
  private let trie: PatternTrie
  private let alphabet: [UInt8]
  private let budget: SearchBudget

  /// For each state found: that of the grammar, of the trie, of `wanted`, of `globs`.
  private var states: [[Int32]] = []
  private var numbers: [[Int32]: Int32] = [:]
  /// How each state is reached: from which, by which byte; and after how many bytes.
  private var origins: [(from: Int32, byte: UInt8, count: Int32)] = []
  /// The next state to go on from, and what is left to give of those that it led to.
  private var front = 0
  private var pending = 0

  /// A walk through what all of `wanted` match.
  init(sort: NameSort, wanted: [Glob], others: [Glob], budget: SearchBudget) {
    self.sort = sort
    self.budget = budget
    self.wanted = wanted.map { GlobAutomaton($0.pattern) }
    var trie = PatternTrie()
    var globs: [(automaton: GlobAutomaton, index: Int)] = []
    for (index, other) in others.enumerated() {
      if other.isLiteral || other.isPrefix {
        trie.insert(other.literalPrefix, isOpen: !other.isLiteral, number: Int32(index))
      } else {
        globs.append((GlobAutomaton(other.pattern), index))
      }
    }
    trie.finish()
    self.trie = trie
    self.globs = globs
    alphabet = Self.alphabet(of: sort, telling: wanted + others)
    let start = [NameSort.start, PatternTrie.start] + self.wanted.map(\.start) + globs.map(\.automaton.start)
    numbers[start] = 0
    states.append(start)
    origins.append((-1, 0, 0))
  }

  /// The bytes that patterns tell apart, and one of each kind that they do not.
  private static func alphabet(of sort: NameSort, telling patterns: [Glob]) -> [UInt8] {
    var isTold = [Bool](repeating: false, count: 256)
    for pattern in patterns { for byte in pattern.pattern { isTold[Int(byte)] = true } }
    let all = sort.alphabet
    // No grammar and no pattern tells these from other letters and digits.
    let letter = all.first { $0.isNameLetter && !isTold[Int($0)] }
    let digit = all.first { $0.isDigit && !isTold[Int($0)] }
    return [letter, digit].compactMap { $0 } + all.filter { isTold[Int($0)] || !($0.isNameLetter || $0.isDigit) }
  }

  /// The next word that is legal and wanted, and the ascending indices of the others that match it; nil at the end, or if the
  /// budget is spent.
  mutating func next() -> (word: [UInt8], matched: [Int])? {
    while true {
      while pending < states.count {
        let state = pending
        pending += 1
        if isComplete(state) { return (word(of: state), matches(in: state)) }
      }
      if front == states.count || !expand() { return nil }
      front += 1
    }
  }

  /// Adds the states behind the one at the front; false if the budget is spent.
  private mutating func expand() -> Bool {
    let state = states[front]
    let count = origins[front].count
    if Int(count) == sort.byteCountMax { return true }
    for byte in alphabet {
      if !budget.take(2 + state.count) { return false }
      guard let place = sort.step(state[0], byte), isWanted(state, byte) else { continue }
      var next = [place, trie.step(state[1], byte)]
      next.reserveCapacity(state.count)
      for (index, automaton) in wanted.enumerated() { next.append(automaton.step(state[2 + index], byte)) }
      for (index, glob) in globs.enumerated() { next.append(glob.automaton.step(state[2 + wanted.count + index], byte)) }
      if numbers[next] != nil { continue }
      numbers[next] = Int32(states.count)
      states.append(next)
      origins.append((Int32(front), byte, count + 1))
    }
    return true
  }

  /// Whether some word that goes on with `byte` is wanted. Asked before anything is made for it: mostly one byte of all is.
  private func isWanted(_ state: [Int32], _ byte: UInt8) -> Bool {
    wanted.indices.allSatisfy { wanted[$0].step(state[2 + $0], byte) != GlobAutomaton.dead }
  }

  private func isComplete(_ state: Int) -> Bool {
    sort.accepts(states[state][0]) && wanted.indices.allSatisfy { wanted[$0].accepts(states[state][2 + $0]) }
  }

  private func matches(in state: Int) -> [Int] {
    var matched: [Int] = []
    trie.forEachMatch(in: states[state][1]) { matched.append(Int($0)) }
    for (place, glob) in globs.enumerated() where glob.automaton.accepts(states[state][2 + wanted.count + place]) {
      matched.append(glob.index)
    }
    return matched.sorted()
  }

  private func word(of state: Int) -> [UInt8] {
    var word: [UInt8] = []
    var at = state
    while origins[at].from >= 0 {
      word.append(origins[at].byte)
      at = Int(origins[at].from)
    }
    return word.reversed()
  }
}
