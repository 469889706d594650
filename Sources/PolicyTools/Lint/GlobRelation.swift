// How the languages of two globs lie to each other, and to the grammar of what they are matched against: what the lints decide by.
// Decided on the patterns, place by place; only bytes below 0x80 are thought of, since no name or path has others.

import GatePolicy

/// Relations of pairs of globs.
enum GlobRelation {
  private static let star = UInt8(ascii: "*")
  private static let questionMark = UInt8(ascii: "?")

  /// Sets of places that are looked at before `includes` gives up and says no. Only a pattern with `?` behind a `*` needs many.
  private static let setsMax = 4096

  /// Whether some text is matched by both.
  static func overlap(_ a: Glob, _ b: Glob) -> Bool {
    if a.isLiteral { return b.matches(a.pattern) }
    if b.isLiteral { return a.matches(b.pattern) }
    let common = min(a.literalPrefix.count, b.literalPrefix.count)
    if !a.literalPrefix.prefix(common).elementsEqual(b.literalPrefix.prefix(common)) { return false }
    return meet(a.pattern, b.pattern)
  }

  /// Whether every text that `inner` matches is matched by `outer` too. May say no of two that are odd enough, never wrongly yes.
  static func includes(_ outer: Glob, _ inner: Glob) -> Bool {
    if outer.pattern == inner.pattern { return true }
    if outer.isLiteral { return false }
    if inner.isLiteral { return outer.matches(inner.pattern) }
    let prefix = outer.literalPrefix
    if !inner.literalPrefix.starts(with: prefix) { return false }
    // One star at the end: whatever follows is matched.
    if outer.pattern.count == prefix.count + 1, outer.pattern.last == star { return true }
    return contains(outer.pattern, inner.pattern)
  }

  /// Whether some legal name of the sort is matched.
  static func canMatch(_ glob: Glob, _ sort: NameSort) -> Bool {
    let pattern = glob.pattern
    if pattern.isEmpty || pattern.count(where: { $0 != star }) > sort.byteCountMax { return false }
    if glob.isLiteral { return sort.isLegal(pattern) }
    // Pairs of a place in the pattern and a state of the grammar, each visited once.
    var seen: Set<Int> = []
    var open = [(place: 0, state: NameSort.start)]
    while let (place, state) = open.popLast() {
      if !seen.insert(place << 8 | Int(state)).inserted { continue }
      if place == pattern.count {
        if sort.accepts(state) { return true }
        continue
      }
      switch pattern[place] {
      case star:
        open.append((place + 1, state))
        for byte in representatives { if let next = sort.step(state, byte) { open.append((place, next)) } }
      case questionMark:
        for byte in representatives { if let next = sort.step(state, byte) { open.append((place + 1, next)) } }
      case let byte:
        if let next = sort.step(state, byte) { open.append((place + 1, next)) }
      }
    }
    return false
  }

  /// One byte of each kind that the grammars tell apart.
  private static let representatives = Array("a0./".utf8)

  /// Whether two patterns with wildcards have a text in common.
  private static func meet(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    let width = b.count + 1
    var seen = [Bool](repeating: false, count: (a.count + 1) * width)
    var open = [0]
    func visit(_ i: Int, _ j: Int) {
      let pair = i * width + j
      if !seen[pair] {
        seen[pair] = true
        open.append(pair)
      }
    }
    seen[0] = true
    while let pair = open.popLast() {
      let (i, j) = (pair / width, pair % width)
      if i == a.count && j == b.count { return true }
      if i < a.count && a[i] == star {
        visit(i + 1, j)
        if j < b.count { visit(i, j + 1) }
      }
      if j < b.count && b[j] == star {
        visit(i, j + 1)
        if i < a.count { visit(i + 1, j) }
      }
      if i < a.count && j < b.count && a[i] != star && b[j] != star
        && (a[i] == b[j] || a[i] == questionMark || b[j] == questionMark)
      {
        visit(i + 1, j + 1)
      }
    }
    return false
  }

  /// Whether the language of `inner` lies in that of `outer`: every way through `inner`, a byte at a time, with all places of `outer`
  /// that the same bytes lead to.
  private static func contains(_ outer: [UInt8], _ inner: [UInt8]) -> Bool {
    var alphabet = Set((outer + inner).filter { $0 != star && $0 != questionMark })
    // One byte for all that neither names.
    if let other = (UInt8(0x21)...0x7E).first(where: { !alphabet.contains($0) && $0 != star && $0 != questionMark }) {
      alphabet.insert(other)
    }
    var seen: Set<Pair> = []
    var open = [Pair(place: 0, places: closure([0], outer))]
    while let pair = open.popLast() {
      if !seen.insert(pair).inserted { continue }
      if seen.count > setsMax { return false }
      if pair.place == inner.count {
        if pair.places.last != outer.count { return false }
        continue
      }
      let wanted = inner[pair.place]
      if wanted == star { open.append(Pair(place: pair.place + 1, places: pair.places)) }
      for byte in wanted == star || wanted == questionMark ? Array(alphabet) : [wanted] {
        let next = step(pair.places, byte, outer)
        open.append(Pair(place: wanted == star ? pair.place : pair.place + 1, places: next))
      }
    }
    return true
  }

  /// A place in the inner pattern, and the places in the outer one where a reading may stand, ascending.
  private struct Pair: Hashable {
    let place: Int
    let places: [Int]
  }

  private static func step(_ places: [Int], _ byte: UInt8, _ pattern: [UInt8]) -> [Int] {
    var next: [Int] = []
    for place in places where place < pattern.count {
      if pattern[place] == star {
        next.append(place)
      } else if pattern[place] == questionMark || pattern[place] == byte {
        next.append(place + 1)
      }
    }
    return closure(next, pattern)
  }

  /// With what is reached by stars that match nothing; before the last star reached, nothing else matters.
  private static func closure(_ places: [Int], _ pattern: [UInt8]) -> [Int] {
    var all = Set(places)
    for var place in places {
      while place < pattern.count && pattern[place] == star {
        place += 1
        all.insert(place)
      }
    }
    let sorted = all.sorted()
    guard let lastStar = sorted.last(where: { $0 < pattern.count && pattern[$0] == star }) else { return sorted }
    return sorted.filter { $0 >= lastStar }
  }
}
