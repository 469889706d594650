// Many patterns without a wildcard, or with none but a `*` at the end, as one automaton. Walked by WitnessSearch; most patterns of
// most policies are of these two kinds.

/// The words and beginnings of words that patterns name.
struct PatternTrie {
  /// Patterns are spoken of by number; a node knows those that match a word which ends there.
  private struct Node {
    /// Patterns that are this word.
    var words: [Int32] = []
    /// Patterns that are this beginning and a `*`.
    var beginnings: [Int32] = []
    /// The nearest node, this one included, on the way from the root that has beginnings; -1 if there is none.
    var covering: Int32
  }

  /// Where a word stands that has left the trie and begins with no pattern.
  private static let outside: Int32 = -1

  private var nodes = [Node(covering: -1)]
  private var parents: [Int32] = [-1]
  private var children: [Int64: Int32] = [:]

  /// Whether there is no pattern.
  private(set) var isEmpty = true

  /// Where every word begins.
  static let start: Int32 = 0

  /// Adds the pattern `number`: `text`, and a `*` if it is open.
  mutating func insert(_ text: ArraySlice<UInt8>, isOpen: Bool, number: Int32) {
    isEmpty = false
    var node: Int32 = 0
    for byte in text {
      let key = Int64(node) << 8 | Int64(byte)
      if let child = children[key] {
        node = child
        continue
      }
      let child = Int32(nodes.count)
      nodes.append(Node(covering: -1))
      parents.append(node)
      children[key] = child
      node = child
    }
    if isOpen { nodes[Int(node)].beginnings.append(number) } else { nodes[Int(node)].words.append(number) }
  }

  /// To be called once, when all patterns are in.
  mutating func finish() {
    // Children have higher numbers than their parents.
    for node in nodes.indices {
      let inherited = node == 0 ? -1 : nodes[Int(parents[node])].covering
      nodes[node].covering = nodes[node].beginnings.isEmpty ? inherited : Int32(node)
    }
  }

  /// The state behind `byte`. States are nodes, or, outside of the trie, what number the covering node has, counted down from -1.
  func step(_ state: Int32, _ byte: UInt8) -> Int32 {
    if state < 0 { return state }
    if let child = children[Int64(state) << 8 | Int64(byte)] { return child }
    return Self.outside - (nodes[Int(state)].covering + 1)
  }

  /// Calls `body` with the number of each pattern that matches a word which ends in `state`.
  func forEachMatch(in state: Int32, _ body: (Int32) -> Void) {
    var covering: Int32
    if state < 0 {
      covering = Self.outside - state - 1
    } else {
      nodes[Int(state)].words.forEach(body)
      covering = nodes[Int(state)].covering
    }
    while covering >= 0 {
      nodes[Int(covering)].beginnings.forEach(body)
      let parent = parents[Int(covering)]
      covering = parent < 0 ? -1 : nodes[Int(parent)].covering
    }
  }
}
