// The object paths of a bus as a tree, in which siblings of one shape become one. Made and asked by Learner.

/// Says for each path which pattern stands for it and its like.
struct PathTree {
  private struct Node {
    var children: [[UInt8]: Int] = [:]
    /// The patterns that elements are taken under, once siblings are one.
    var patterns: [[UInt8]: [UInt8]] = [:]
  }

  /// Siblings without a common shape that stay apart. With more of them under one parent, each of them would be a rule of its own
  /// in a policy that nobody reads. Untuned.
  static let wordsMax = 256

  private var nodes = [Node()]
  /// How many siblings of a shape become one; nil: none do.
  private let siblingsMin: Int?

  /// A tree of `paths`.
  init(_ paths: some Sequence<[UInt8]>, siblingsMin: Int?) {
    self.siblingsMin = siblingsMin
    for path in paths {
      var node = 0
      for element in Self.elements(path) { node = child(of: node, element) }
    }
    if siblingsMin != nil { generalise(0, depth: 0) }
  }

  /// The pattern for `path`, one of the tree's; without a wildcard it is the path.
  func pattern(for path: [UInt8]) -> [UInt8] {
    var pattern: [UInt8] = []
    var node = 0
    for element in Self.elements(path) {
      let name = nodes[node].patterns[element] ?? element
      pattern += [UInt8(ascii: "/")] + name
      node = nodes[node].children[name]!
    }
    return pattern.isEmpty ? [UInt8(ascii: "/")] : pattern
  }

  private static func elements(_ path: [UInt8]) -> [[UInt8]] { path.split(separator: UInt8(ascii: "/")).map(Array.init) }

  private mutating func child(of node: Int, _ element: [UInt8]) -> Int {
    if let child = nodes[node].children[element] { return child }
    nodes.append(Node())
    nodes[node].children[element] = nodes.count - 1
    return nodes.count - 1
  }

  private mutating func generalise(_ node: Int, depth: Int) {
    var groups: [ElementShape: [[UInt8]]] = [:]
    for element in nodes[node].children.keys {
      for shape in ElementShape.shapes(of: element) { groups[shape, default: []].append(element) }
    }
    // The largest first; where two are alike, the one whose elements come first, so that the same log gives the same policy.
    let sorted = groups.mapValues { $0.sorted { $0.lexicographicallyPrecedes($1) } }.sorted {
      if $0.value.count != $1.value.count { return $0.value.count > $1.value.count }
      if $0.value[0] != $1.value[0] { return $0.value[0].lexicographicallyPrecedes($1.value[0]) }
      return $0.key.pattern(ofAny: $0.value).lexicographicallyPrecedes($1.key.pattern(ofAny: $1.value))
    }
    for (shape, elements) in sorted {
      let free = elements.filter { nodes[node].patterns[$0] == nil }
      if free.count >= max(2, siblingsMin!) { unite(free, under: shape.pattern(of: free), in: node) }
    }
    let words = nodes[node].children.keys.filter { !$0.contains(UInt8(ascii: "*")) }
    // Never everything below the root.
    if words.count > Self.wordsMax && depth > 0 { unite(words, under: [UInt8(ascii: "*")], in: node) }
    for child in nodes[node].children.values { generalise(child, depth: depth + 1) }
  }

  /// Makes one child of several.
  private mutating func unite(_ elements: [[UInt8]], under pattern: [UInt8], in node: Int) {
    let united = child(of: node, pattern)
    for element in elements {
      nodes[node].patterns[element] = pattern
      if let child = nodes[node].children.removeValue(forKey: element) { merge(child, into: united) }
    }
  }

  private mutating func merge(_ node: Int, into other: Int) {
    for (element, grandchild) in nodes[node].children { merge(grandchild, into: child(of: other, element)) }
  }
}

extension ElementShape {
  /// As ``pattern(of:)``, for one element too.
  fileprivate func pattern(ofAny elements: [[UInt8]]) -> [UInt8] { elements.count > 1 ? pattern(of: elements) : elements[0] }
}
