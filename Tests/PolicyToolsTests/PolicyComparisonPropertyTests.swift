import GatePolicy
import Testing

@testable import PolicyTools

@Suite("a comparison agrees with trying every short message")
struct PolicyComparisonPropertyTests {
  private static let interfaces = texts(over: Array("a.".utf8), upTo: 5).filter { NameSort.interface.isLegal($0) }
  private static let paths = texts(over: Array("ab/".utf8), upTo: 3).filter { NameSort.path.isLegal($0) }
  private static let members = texts(over: Array("ab".utf8), upTo: 2).filter { NameSort.member.isLegal($0) }

  /// A pattern near one of `words`: some of its bytes are wildcards, or it is another byte longer or shorter.
  private static func pattern(near words: [[UInt8]], using generator: inout SeededGenerator) -> String {
    if Int.random(in: 0..<3, using: &generator) == 0 { return "*" }
    var text = words.randomElement(using: &generator)!.map { byte -> [UInt8] in
      switch Int.random(in: 0..<8, using: &generator) {
      case 0, 1: Array("*".utf8)
      case 2: Array("?".utf8)
      case 3: []
      default: [byte]
      }
    }.joined().map { $0 }
    if Bool.random(using: &generator) { text.append(Array("ab*".utf8).randomElement(using: &generator)!) }
    return String(decoding: text, as: UTF8.self)
  }

  private static let names = ["a.a", "a.b", "a.b.a"].map { Array($0.utf8) }
  /// Who can be at the other end, by the names that it has.
  private static let peers = [[]] + names.map { [$0] } + [[names[0], names[1]], [names[0], names[2]], [names[1], names[2]]]

  private static func randomRule(line: Int, using generator: inout SeededGenerator) -> GatewayRule {
    let direction = Int.random(in: 0..<3, using: &generator)
    let types = Int.random(in: 0..<3, using: &generator)
    return rule(
      outgoing: direction != 0, incoming: direction != 1, interface: pattern(near: interfaces, using: &generator),
      path: pattern(near: paths, using: &generator),
      methods: (0..<Int.random(in: 1...2, using: &generator)).map { _ in pattern(near: members, using: &generator) },
      methodCalls: types != 0, signals: types != 1,
      maxFDs: Int.random(in: 0..<4, using: &generator) == 0 ? Int.random(in: 0...2, using: &generator) : nil,
      action: Int.random(in: 0..<3, using: &generator) == 0 ? .deny : .allow, line: line,
      name: Int.random(in: 0..<3, using: &generator) == 0
        ? ["a.a", "a.b", "a.b.*", "a.*", "*.a", "a?b"].randomElement(using: &generator) : nil)
  }

  /// For each rule of `after` and each cell, whether one of the short messages is allowed by it and not by `before`.
  private static func gains(_ before: Policy, _ after: Policy, _ rules: [GatewayRule], _ cell: MessageCells) -> Set<Int> {
    var lines: Set<Int> = []
    let circumstances = peers.map { (0, $0) } + [(1, []), (3, [])]
    for interface in cell.hasInterface ? interfaces : [[]] {
      for path in paths {
        for member in members {
          for (descriptors, peer) in circumstances {
            let message = ExampleMessage(
              direction: cell.direction, isSignal: cell.isSignal, interface: interface.isEmpty ? nil : interface, path: path,
              member: member, descriptors: descriptors, peerNames: peer)
            guard message.match(after).outcome == .allow, message.match(before).outcome != .allow else { continue }
            // All rules that allow it, not only the one that the policy names.
            for rule in rules where !lines.contains(rule.location.line) && message.isMatched(by: rule) {
              lines.insert(rule.location.line)
            }
          }
        }
      }
    }
    return lines
  }

  @Test("on random policies, in both directions", arguments: 0..<4)
  func agrees(seed: Int) {
    var generator = SeededGenerator(state: UInt64(seed))
    var (differing, equal, isNamed) = (0, 0, 0)
    for round in 0..<6 {
      let counts = (0..<2).map { _ in Int.random(in: 0...4, using: &generator) }
      let shared = (0..<Int.random(in: 0...2, using: &generator)).map { Self.randomRule(line: 100 + $0, using: &generator) }
      let old = shared + (0..<counts[0]).map { Self.randomRule(line: $0, using: &generator) }
      let new = shared + (0..<counts[1]).map { Self.randomRule(line: 10 + $0, using: &generator) }
      let comparison = PolicyComparison(from: old, to: new)
      #expect(comparison.undecided.isEmpty)
      isNamed += comparison.differences.contains { !$0.example.peerNames.isEmpty } ? 1 : 0
      let (oldPolicy, newPolicy) = (Policy(rules: old, busName: ""), Policy(rules: new, busName: ""))
      let sides = [(oldPolicy, newPolicy, new, PolicyDifference.Change.allowed), (newPolicy, oldPolicy, old, .noLongerAllowed)]
      for (before, after, rules, change) in sides {
        let said = comparison.differences.filter { $0.change == change && !$0.example.isForDriver }
        for difference in said {
          #expect(difference.example.match(after).outcome == .allow, "seed \(seed), round \(round): \(difference)")
          #expect(difference.example.match(before).outcome != .allow, "seed \(seed), round \(round): \(difference)")
          #expect(NameSort.path.isLegal(difference.example.path) && NameSort.member.isLegal(difference.example.member))
          #expect(difference.example.interface.map { NameSort.interface.isLegal($0) } ?? !difference.example.isSignal)
        }
        for cell in MessageCells.each {
          let found = Self.gains(before, after, rules, cell)
          let saidLines = Set(
            said.filter {
              $0.example.direction == cell.direction && $0.example.isSignal == cell.isSignal
                && ($0.example.interface != nil) == cell.hasInterface
            }.map { $0.allowedBy!.line })
          #expect(found.isSubset(of: saidLines), "seed \(seed), round \(round), \(change), \(cell): \(found) \(saidLines)")
          if found.isEmpty && saidLines.isEmpty { equal += 1 } else { differing += found.isEmpty ? 0 : 1 }
        }
      }
    }
    // What never happens was not compared.
    #expect(differing > 5 && equal > 5 && isNamed > 0, "\(differing) \(equal)")
  }
}

extension ExampleMessage {
  /// Whether `rule`, alone, would allow the message.
  fileprivate func isMatched(by rule: GatewayRule) -> Bool {
    rule.action == .allow && match(Policy(rules: [rule], busName: "")).outcome == .allow
  }
}
