// Folding and the rate, on a clock of the test's own: whatever comes, what is written and what is counted add up.

import GateSession
import Testing

@testable import GateServer

@Suite("coalescing of events")
struct EventCoalescerTests {
  private static func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }

  private static func event(_ key: UInt64) -> LogEvent { LogEvent(.note, message: "\(key)") }

  /// Offers an event as Log does. Returns whether it is written, and what it evicted.
  private static func offer(
    _ coalescer: inout EventCoalescer, _ key: UInt64, connection: UInt64 = 1, gate: GateLog? = nil, at now: UInt64
  ) -> (isWritten: Bool, evicted: EventCoalescer.Repetitions?) {
    if coalescer.counts(key, of: connection) { return (false, nil) }
    return (true, coalescer.remember(key, event(key), of: connection, gate: gate, at: at(now)))
  }

  private let gates = (0..<4 as Range<UInt64>).map {
    GateLog("gate-\($0)", number: $0, EventRate(perSecond: 1, burst: 1, at: at(0)))
  }

  @Test("the first is written, repetitions are counted until the window ends, then the next is a first again")
  func window() {
    var coalescer = EventCoalescer(window: 5_000)
    #expect(Self.offer(&coalescer, 7, at: 100).isWritten)
    for now in [101, 2_000, 5_099] as [UInt64] { #expect(!Self.offer(&coalescer, 7, at: now).isWritten) }
    #expect(coalescer.deadline == Self.at(5_100))
    #expect(coalescer.expire(at: Self.at(5_099))?.count == nil)
    #expect(coalescer.expire(at: Self.at(5_100))?.count == 3)
    #expect(coalescer.expire(at: Self.at(5_100))?.count == nil && coalescer.deadline == nil)
    #expect(Self.offer(&coalescer, 7, at: 5_101).isWritten)
  }

  @Test("an event without repetitions leaves nothing to write")
  func single() {
    var coalescer = EventCoalescer(window: 5_000)
    #expect(Self.offer(&coalescer, 7, at: 0).isWritten)
    #expect(coalescer.expire(at: Self.at(5_000))?.count == nil && coalescer.deadline == nil)
  }

  @Test("the end of a gate writes its own and leaves the others")
  func gateEnds() {
    var coalescer = EventCoalescer(window: 5_000)
    for number in 1...3 as ClosedRange<UInt64> {
      for _ in 0..<number + 1 { _ = Self.offer(&coalescer, number, gate: gates[Int(number)], at: number) }
    }
    #expect(coalescer.removeAll(of: gates[2]).map(\.count) == [2])
    #expect(coalescer.removeAll(of: gates[2]).isEmpty)
    #expect(Self.offer(&coalescer, 2, gate: gates[2], at: 10).isWritten)
    #expect(coalescer.expire(at: Self.at(5_003))?.count == 1)
    #expect(coalescer.expire(at: Self.at(5_003))?.count == 3)
    #expect(coalescer.removeAll(of: nil).isEmpty && coalescer.deadline == nil)
  }

  @Test(
    "other connections that repeat an event are counted, the first's own repetitions are not",
    arguments: [
      ([5], 0), ([5, 5, 5], 0), ([5, 6], 1), ([5, 4], 1), ([5, 6, 6, 5, 6], 1), ([5, 4, 5, 4], 1), (Array(1...40), 39),
      ([5, 6, 7, 6, 7, 8], 3), ([0, 1, 0, 2], 2), ([9, 0, 1], 2),
    ] as [([UInt64], Int)])
  func clients(connections: [UInt64], others: Int) {
    var coalescer = EventCoalescer(window: 5_000)
    for connection in connections { _ = Self.offer(&coalescer, 7, connection: connection, at: 0) }
    let repetitions = coalescer.removeAll(of: nil).first
    #expect((repetitions?.count ?? 0) == connections.count - 1 && (repetitions?.others ?? 0) == others)
  }

  @Test("numbers that repeated events have of their own are added up, without the first's")
  func sums() {
    var coalescer = EventCoalescer(window: 5_000)
    var first = LogEvent(.closed)
    first.add(.allowed, 1_000)
    first.add(.denied, 2_000)
    let isCounted = coalescer.counts(7, of: 1, adding: [(.allowed, 1_000), (.denied, 2_000)])
    #expect(!isCounted)
    _ = coalescer.remember(7, first, of: 1, gate: nil, at: Self.at(0))
    for number in 2...4 as ClosedRange<UInt64> {
      let isCounted = coalescer.counts(7, of: number, adding: [(.allowed, number), (.denied, 10 * number)])
      #expect(isCounted)
    }
    let event = coalescer.removeAll(of: nil).first?.event
    #expect(event?[.allowed] == .number(9) && event?[.denied] == .number(90))
  }

  @Test("the oldest is evicted when the table is full", arguments: [EventCoalescer.entriesMax, EventCoalescer.entriesMax + 1])
  func full(kinds: Int) {
    var coalescer = EventCoalescer(window: 5_000)
    var evicted: [Int] = []
    for key in 0..<UInt64(kinds) {
      for _ in 0..<2 {
        if let repetitions = Self.offer(&coalescer, key, at: key).evicted { evicted.append(repetitions.count) }
      }
    }
    #expect(evicted == Array(repeating: 1, count: kinds - EventCoalescer.entriesMax))
    #expect(coalescer.counts(0, of: 1) == (kinds == EventCoalescer.entriesMax))
  }

  @Test("a window of nothing coalesces nothing")
  func none() {
    var coalescer = EventCoalescer(window: 0)
    for _ in 0..<3 {
      let result = Self.offer(&coalescer, 7, at: 0)
      #expect(result.isWritten && result.evicted?.count == nil)
    }
    #expect(coalescer.deadline == nil && coalescer.removeAll(of: nil).isEmpty)
  }

  @Test("every event is written or counted once, whatever comes", arguments: 1...40 as ClosedRange<UInt64>)
  func conservation(seed: UInt64) {
    var state = seed
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    var coalescer = EventCoalescer(window: 500)
    var (now, offered, written, counted) = (0 as UInt64, 0, 0, 0)
    for _ in 0..<4_000 {
      now += next(8)
      while let repetitions = coalescer.expire(at: Self.at(now)) { counted += repetitions.count }
      if next(50) == 0 {
        counted += coalescer.removeAll(of: gates[Int(next(4))]).reduce(0) { $0 + $1.count }
      } else {
        let gate = next(4)
        let key = gate << 32 | next(300 * seed % 1_500 + 1)
        let result = Self.offer(&coalescer, key, connection: next(9), gate: gates[Int(gate)], at: now)
        offered += 1
        written += result.isWritten ? 1 : 0
        counted += result.evicted?.count ?? 0
      }
    }
    counted += coalescer.removeAll(of: nil).reduce(0) { $0 + $1.count }
    #expect(written + counted == offered && coalescer.deadline == nil)
  }

  @Test("a rate lets a burst through, then what time brings, and never more than a burst after a rest")
  func rate() {
    var rate = EventRate(perSecond: 50, burst: 200, at: Self.at(0))
    func admitted(_ count: Int, at now: UInt64) -> Int { (0..<count).count { _ in rate.admits(at: Self.at(now)) } }
    #expect(admitted(300, at: 0) == 200)
    #expect(admitted(5, at: 19) == 0)
    #expect(admitted(5, at: 20) == 1)
    #expect(admitted(100, at: 1_000) == 49)
    #expect(admitted(300, at: 3_600_000) == 200)
    #expect(admitted(300, at: .max) == 200)
  }
}
