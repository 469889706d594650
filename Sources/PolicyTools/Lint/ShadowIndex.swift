// Which rules may cover a rule: so that ten thousand rules are not compared with ten thousand each. A rule without wildcards can be
// covered only by one with the same words or with wildcards, key by key.

import GatePolicy

/// The rules of one policy, by the words in them.
struct ShadowIndex {
  /// An interface, a path and a method; nil stands for any pattern with a wildcard.
  private struct Words: Hashable {
    let interface: [UInt8]?
    let path: [UInt8]?
    let method: [UInt8]?
  }

  private var rules: [Words: [Int]] = [:]

  init(_ all: [GatewayRule]) {
    for (index, rule) in all.enumerated() where !rule.isInert {
      for method in Set(rule.methods.map(Self.word)) {
        let words = Words(interface: Self.word(rule.interface), path: Self.word(rule.objectPath), method: method)
        rules[words, default: []].append(index)
      }
    }
  }

  /// Rules that may cover `rule`, `rule` itself among them, each at least once.
  func candidates(for rule: GatewayRule) -> [Int] {
    guard let first = rule.methods.first else { return [] }
    var found: [Int] = []
    for interface in Self.ways(Self.word(rule.interface)) {
      for path in Self.ways(Self.word(rule.objectPath)) {
        for method in Self.ways(Self.word(first)) {
          found += rules[Words(interface: interface, path: path, method: method)] ?? []
        }
      }
    }
    return found
  }

  private static func word(_ glob: Glob) -> [UInt8]? { glob.isLiteral ? glob.pattern : nil }
  private static func ways(_ word: [UInt8]?) -> [[UInt8]?] { word == nil ? [nil] : [word, nil] }
}
