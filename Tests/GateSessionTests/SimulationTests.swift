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

  @Test("whatever is said, cut, stalled, reloaded, closed: the contract holds", arguments: 0..<parts as Range<UInt64>)
  func run(part: UInt64) {
    if let seed = Self.number("BUSGATE_SEED") {
      if part == 0 { live(seed) }
      return
    }
    for seed in stride(from: part, to: Self.seedCount, by: Int(Self.parts)) where !live(seed) { return }
  }

  @Test("what a session remembers of the last messages changes nothing that it does", arguments: 0..<parts as Range<UInt64>)
  func compareWithTwin(part: UInt64) throws {
    for seed in stride(from: part, to: Self.seedCount / 8, by: Int(Self.parts)) {
      let world = try World(Choices(seed: seed))
      try world.run()
      do {
        try world.compareWithTwin(seed)
      } catch {
        Issue.record("seed \(seed): \(error)")
        return
      }
    }
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
