// How many cases, and from which seed: the same in every test of this target.

import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The cases of one run.
enum OracleRun {
  /// Seconds that all of the target may take; what the counts in the tests are meant for.
  private static let usualSeconds = 60.0

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// BUSGATE_ORACLE_SECONDS: scales the number of cases, not exactly the time.
  private static let scale = (variable("BUSGATE_ORACLE_SECONDS").flatMap(Double.init) ?? usualSeconds) / usualSeconds

  /// BUSGATE_ORACLE_SEED: the same seed gives the same cases, whatever else runs.
  static let seed = variable("BUSGATE_ORACLE_SEED").flatMap { UInt64($0) } ?? 20_260_101

  /// How many cases there are where `usual` are usual.
  static func count(_ usual: Int) -> Int { max(1, Int(Double(usual) * scale)) }

  /// Words for the protocol of the run, such as how many cases were compared.
  static func report(_ text: String) { print("oracle: \(text)") }
}

/// A generator of the same numbers in every run. SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// The numbers of the run's seed for one `purpose`, so that tests don't share cases.
  init(purpose: UInt64) { state = OracleRun.seed &* 0x9E37_79B9_7F4A_7C15 ^ purpose &* 0xD1B5_4A32_D192_ED03 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A number below `bound`, which is not 0.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

  /// True in one of `count` cases.
  mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

  /// One of `choices`, of which there are some.
  mutating func pick<Choice>(_ choices: [Choice]) -> Choice { choices[below(choices.count)] }
}

/// What the disagreements of one comparison were. Only the first few are told.
struct Findings {
  private var told = 0
  private(set) var cases = 0
  private var known: [String: Int] = [:]

  mutating func compare() { cases += 1 }

  /// A disagreement that stands in the list of `Disagreement`.
  mutating func count(_ disagreement: Disagreement) { known[disagreement.rawValue, default: 0] += 1 }

  func count(of disagreement: Disagreement) -> Int { known[disagreement.rawValue] ?? 0 }

  /// A disagreement that nobody knows.
  mutating func tell(_ what: String, _ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) {
    told += 1
    guard told <= 8 else { return }
    let text = String(decoding: bytes.map { $0 >= 0x20 && $0 < 0x7F ? $0 : UInt8(ascii: "~") }, as: UTF8.self)
    let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    Issue.record("seed \(OracleRun.seed), case \(cases): \(what)\n  \(text)\n  \(digits)", sourceLocation: sourceLocation)
  }

  /// Says how many cases there were. Every disagreement of `expected` has to have come up, else its entry in the list is stale.
  func finish(_ name: String, expected: [Disagreement] = [], sourceLocation: SourceLocation = #_sourceLocation) {
    let listed = known.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    OracleRun.report("\(name): \(cases) cases, \(told) disagreements\(listed.isEmpty ? "" : "; listed ones: \(listed)")")
    for one in expected where count(of: one) == 0 {
      Issue.record("'\(one.rawValue)' stands in the list, and did not come up", sourceLocation: sourceLocation)
    }
  }
}
