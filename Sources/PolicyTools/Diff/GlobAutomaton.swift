// A glob as a deterministic automaton, built as far as it is walked. Walked by WitnessSearch.
//
// A state is the set of places in the pattern where a reading may stand. Once a `*` is reached, what stands before it is forgotten:
// whatever an earlier place could still match, the `*` matches too. So without `?` there are as many states as bytes, as in a
// search for a word; with `?` behind a `*` there can be many more, which is what WitnessSearch's bound is for.

/// The languages of one pattern and of what remains of it.
final class GlobAutomaton {
  /// The state from which nothing is matched any more.
  static let dead: Int32 = -1

  private let pattern: [UInt8]
  /// Places, ascending, of each state.
  private var states: [[Int32]] = []
  private var numbers: [[Int32]: Int32] = [:]
  /// For each state, by byte below 0x80, the next one; -2 where nobody has been.
  private var steps: [Int32] = []

  /// The state before the first byte.
  private(set) var start: Int32 = 0

  /// An automaton for `pattern` over bytes below 0x80.
  init(_ pattern: [UInt8]) {
    self.pattern = pattern
    start = state(of: [0])
  }

  /// The state behind `byte`, which is below 0x80.
  func step(_ from: Int32, _ byte: UInt8) -> Int32 {
    if from == Self.dead { return from }
    let place = Int(from) * 128 + Int(byte)
    if steps[place] != -2 { return steps[place] }
    var places: [Int32] = []
    for at in states[Int(from)] where Int(at) < pattern.count {
      let wanted = pattern[Int(at)]
      if wanted == UInt8(ascii: "*") {
        places.append(at)
      } else if wanted == UInt8(ascii: "?") || wanted == byte {
        places.append(at + 1)
      }
    }
    let next = state(of: places)
    steps[place] = next
    return next
  }

  /// Whether the pattern is matched if the text ends in `state`.
  func accepts(_ state: Int32) -> Bool {
    state != Self.dead && states[Int(state)].last == Int32(pattern.count)
  }

  /// The number of the state that stands at `places` and behind the stars there.
  private func state(of places: [Int32]) -> Int32 {
    var all: Set<Int32> = []
    for var place in places {
      all.insert(place)
      while Int(place) < pattern.count, pattern[Int(place)] == UInt8(ascii: "*") {
        place += 1
        all.insert(place)
      }
    }
    if all.isEmpty { return Self.dead }
    let lastStar = all.filter { Int($0) < pattern.count && pattern[Int($0)] == UInt8(ascii: "*") }.max() ?? 0
    let kept = all.filter { $0 >= lastStar }.sorted()
    if let number = numbers[kept] { return number }
    let number = Int32(states.count)
    states.append(kept)
    numbers[kept] = number
    steps += Array(repeating: -2, count: 128)
    return number
  }
}
