import GateSession
import Testing

@testable import GateServer

@Suite("the earliest of several instants")
struct DeadlineTests {
  private static func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }

  @Test("nothing is ever due where nothing was noted")
  func nothing() {
    var deadline = Deadline()
    deadline.note(nil)
    #expect(deadline.instant == nil && !deadline.isDue(at: Self.at(.max)))
  }

  @Test("it is due from its instant on, and not before")
  func due() {
    var deadline = Deadline()
    deadline.note(Self.at(100))
    #expect(!deadline.isDue(at: Self.at(99)) && deadline.isDue(at: Self.at(100)) && deadline.isDue(at: Self.at(101)))
  }

  @Test("it is the earliest that was noted since it was cleared", arguments: 1...50 as ClosedRange<UInt64>)
  func earliest(seed: UInt64) {
    var random = SeededGenerator(state: seed)
    var deadline = Deadline()
    for _ in 0..<20 {
      deadline.clear()
      #expect(deadline.instant == nil)
      var earliest: Instant?
      for _ in 0..<Int.random(in: 0..<10, using: &random) {
        let noted = Bool.random(using: &random) ? Self.at(UInt64.random(in: 0..<20, using: &random)) : nil
        deadline.note(noted)
        if let noted { earliest = min(earliest ?? noted, noted) }
        #expect(deadline.instant == earliest)
      }
    }
  }
}
