// What the tests of this folder share: texts, rules, and a generator that repeats itself.

import GatePolicy

@testable import PolicyTools

/// All texts over `alphabet` with at most `count` bytes, the shortest first.
func texts(over alphabet: [UInt8], upTo count: Int) -> [[UInt8]] {
  var all: [[UInt8]] = [[]]
  var last = all
  for _ in 0..<count {
    last = last.flatMap { text in alphabet.map { text + [$0] } }
    all += last
  }
  return all
}

/// A rule at `line` of rules.json, all of whose patterns match everything unless said otherwise.
func rule(
  outgoing: Bool = true, incoming: Bool = false, interface: String = "*", path: String = "*", methods: [String] = ["*"],
  methodCalls: Bool = true, signals: Bool = false, maxFDs: Int? = nil, action: GatewayRule.Action = .allow, line: Int = 1,
  name: String? = nil
) -> GatewayRule {
  GatewayRule(
    outgoing: outgoing, incoming: incoming, interface: Glob(Array(interface.utf8)), objectPath: Glob(Array(path.utf8)),
    methods: methods.map { Glob(Array($0.utf8)) }, methodCalls: methodCalls, signals: signals, maxFDs: maxFDs, action: action,
    location: SourceLocation(file: "rules.json", line: line, column: 1),
    name: name.map { try! NamePattern(Array($0.utf8)) })
}

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
