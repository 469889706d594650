// Folding and the rate, on a clock of the test's own: whatever comes, what is written and what is counted add up.

import GateSession
import Testing

@testable import GateServer

@Suite("folding of events")
struct EventFolderTests {
  private static func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }

  private static func event(_ key: UInt64) -> LogEvent { LogEvent(.note, message: "\(key)") }

  /// Offers an event as Log does. Returns whether it is written, and what it displaced.
  private static func offer(
    _ folder: inout EventFolder, _ key: UInt64, connection: UInt64 = 1, at now: UInt64
  ) -> (isWritten: Bool, displaced: EventFolder.Repetitions?) {
    if folder.counts(key) { return (false, nil) }
    return (true, folder.remember(key, event(key), connection: connection, gate: 0, at: at(now)))
  }

  @Test("the first is written, repetitions are counted until the window ends, then the next is a first again")
  func window() {
    var folder = EventFolder(window: 5_000)
    #expect(Self.offer(&folder, 7, at: 100).isWritten)
    for now in [101, 2_000, 5_099] as [UInt64] { #expect(!Self.offer(&folder, 7, at: now).isWritten) }
    #expect(folder.deadline == Self.at(5_100))
    #expect(folder.expire(at: Self.at(5_099))?.count == nil)
    #expect(folder.expire(at: Self.at(5_100))?.count == 3)
    #expect(folder.expire(at: Self.at(5_100))?.count == nil && folder.deadline == nil)
    #expect(Self.offer(&folder, 7, at: 5_101).isWritten)
  }

  @Test("an event without repetitions leaves nothing to write")
  func single() {
    var folder = EventFolder(window: 5_000)
    #expect(Self.offer(&folder, 7, at: 0).isWritten)
    #expect(folder.expire(at: Self.at(5_000))?.count == nil && folder.deadline == nil)
  }

  @Test("the end of a connection writes its own and leaves the others")
  func connections() {
    var folder = EventFolder(window: 5_000)
    for connection in 1...3 as ClosedRange<UInt64> {
      for _ in 0..<connection + 1 { _ = Self.offer(&folder, connection, connection: connection, at: connection) }
    }
    #expect(folder.removeAll(of: 2).map(\.count) == [2])
    #expect(folder.removeAll(of: 2).isEmpty)
    #expect(Self.offer(&folder, 2, connection: 2, at: 10).isWritten)
    #expect(folder.expire(at: Self.at(5_003))?.count == 1)
    #expect(folder.expire(at: Self.at(5_003))?.count == 3)
    #expect(folder.removeAll(of: nil).isEmpty && folder.deadline == nil)
  }

  @Test("the oldest gives way when the table is full", arguments: [EventFolder.entriesMax, EventFolder.entriesMax + 1])
  func full(kinds: Int) {
    var folder = EventFolder(window: 5_000)
    var displaced: [Int] = []
    for key in 0..<UInt64(kinds) {
      for _ in 0..<2 {
        if let repetitions = Self.offer(&folder, key, at: key).displaced { displaced.append(repetitions.count) }
      }
    }
    #expect(displaced == Array(repeating: 1, count: kinds - EventFolder.entriesMax))
    #expect(folder.counts(0) == (kinds == EventFolder.entriesMax))
  }

  @Test("a window of nothing folds nothing")
  func none() {
    var folder = EventFolder(window: 0)
    for _ in 0..<3 {
      let result = Self.offer(&folder, 7, at: 0)
      #expect(result.isWritten && result.displaced?.count == nil)
    }
    #expect(folder.deadline == nil && folder.removeAll(of: nil).isEmpty)
  }

  @Test("every event is written or counted once, whatever comes", arguments: 1...40 as ClosedRange<UInt64>)
  func conservation(seed: UInt64) {
    var state = seed
    func next(_ bound: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % bound
    }
    var folder = EventFolder(window: 500)
    var (now, offered, written, counted) = (0 as UInt64, 0, 0, 0)
    for _ in 0..<4_000 {
      now += next(8)
      while let repetitions = folder.expire(at: Self.at(now)) { counted += repetitions.count }
      if next(50) == 0 {
        counted += folder.removeAll(of: next(4)).reduce(0) { $0 + $1.count }
      } else {
        let connection = next(4)
        let result = Self.offer(&folder, connection << 32 | next(300 * seed % 1_500 + 1), connection: connection, at: now)
        offered += 1
        written += result.isWritten ? 1 : 0
        counted += result.displaced?.count ?? 0
      }
    }
    counted += folder.removeAll(of: nil).reduce(0) { $0 + $1.count }
    #expect(written + counted == offered && folder.deadline == nil)
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
