import Testing

@testable import GatePolicy

@Suite("a compiled policy agrees with the plain reading of its rules")
struct PolicyReferenceTests {
  /// Few words, so that rules and messages meet; prefixes of each other, so that they nearly do.
  private static let interfaces = ["a.b", "a.b.c", "a.bc", "a.b.c.dddddddddd", "a.b.c.dddddddddde"]
  private static let paths = ["/", "/a", "/a/b", "/a/bb", "/aaaaaaaa/bbbbbbbb"]
  private static let members = ["A", "AB", "ABCDEFGH", "ABCDEFGHI"]

  /// One of `words`, or a pattern near it.
  private static func pattern(of words: [String], using generator: inout SeededGenerator) -> String {
    let word = words.randomElement(using: &generator)!
    switch Int.random(in: 0..<10, using: &generator) {
    case 0: return "*"
    case 1: return word.prefix(Int.random(in: 0...word.count, using: &generator)) + "*"
    case 2: return "*" + word.suffix(Int.random(in: 0...word.count, using: &generator))
    case 3: return word.prefix(1) + "*" + word.suffix(1)
    case 4: return "?" + word.dropFirst()
    case 5: return Bool.random(using: &generator) ? "" : "**"
    default: return word
    }
  }

  private static func randomRule(deny: Int, using generator: inout SeededGenerator) -> GatewayRule {
    let direction = Int.random(in: 0..<3, using: &generator)
    let types = Int.random(in: 0..<3, using: &generator)
    let methods = (0..<Int.random(in: 0...3, using: &generator)).map { _ in pattern(of: members, using: &generator) }
    return rule(
      outgoing: direction != 0, incoming: direction != 1, interface: pattern(of: interfaces, using: &generator),
      path: pattern(of: paths, using: &generator), methods: methods, methodCalls: types != 0, signals: types != 1,
      maxFDs: Int.random(in: 0..<4, using: &generator) == 0 ? Int.random(in: 0...2, using: &generator) : nil,
      action: Int.random(in: 0..<100, using: &generator) < deny ? .deny : .allow,
      log: [nil, true, false].randomElement(using: &generator)!)
  }

  private static func randomMessage(using generator: inout SeededGenerator) -> Message {
    Message(
      direction: Bool.random(using: &generator) ? .outgoing : .incoming, isSignal: Bool.random(using: &generator),
      interface: Int.random(in: 0..<6, using: &generator) == 0 ? "" : interfaces.randomElement(using: &generator)!,
      path: paths.randomElement(using: &generator)!, member: members.randomElement(using: &generator)!,
      descriptors: Int.random(in: 0...3, using: &generator))
  }

  @Test("on random rules and messages", arguments: 0..<8)
  func agrees(seed: Int) {
    var generator = SeededGenerator(state: UInt64(seed))
    var outcomes: [RuleMatch.Outcome: Int] = [:]
    for round in 0..<100 {
      let count = Int.random(in: 0...20, using: &generator)
      let rules = (0..<count).map { _ in Self.randomRule(deny: [0, 5, 30][round % 3], using: &generator) }
      let policy = Policy(rules: rules, busName: "SESSION")
      for _ in 0..<20 {
        let message = Self.randomMessage(using: &generator)
        for question in Policy.Question.allCases {
          let answer = policy.answer(question, message)
          let (outcome, index) = referenceAnswer(rules, question, message)
          let expected = RuleMatch(outcome: outcome, rule: Int32(index), log: index < 0 ? nil : rules[index].log)
          #expect(answer == expected, "seed \(seed), round \(round), \(question), \(message)")
          outcomes[answer.outcome, default: 0] += 1
        }
      }
    }
    // What never happens was not compared.
    for outcome in [RuleMatch.Outcome.none, .allow, .deny] { #expect(outcomes[outcome, default: 0] > 100) }
  }
}
