// The world from seeds. What fails says its seed; BUSGATE_SEED=N runs that one alone, BUSGATE_SEEDS=N so many from 0 on.

import GateSimulation
import Glibc
import Testing

@Suite("the world from a seed")
struct SimulationTests {
  private static func number(_ variable: String) -> UInt64? {
    unsafe getenv(variable).flatMap { unsafe UInt64(String(cString: $0)) }
  }

  static let parts: UInt64 = 8
  static let seedCount = number("BUSGATE_SEEDS") ?? 4_000

  @Test(
    "whatever is said, cut, stalled, reloaded, closed: the contract holds, and what is remembered of messages changes nothing",
    arguments: 0..<parts as Range<UInt64>)
  func run(part: UInt64) {
    if let seed = Self.number("BUSGATE_SEED") {
      if part == 0 { live(seed) }
      return
    }
    for seed in stride(from: part, to: Self.seedCount, by: Int(Self.parts)) where !live(seed) { return }
  }

  @discardableResult
  private func live(_ seed: UInt64) -> Bool {
    do {
      try World(Choices(seed: seed)).run()
      return true
    } catch {
      Issue.record("seed \(seed): \(error) (BUSGATE_SEED=\(seed) repeats it)")
      return false
    }
  }
}
