import Testing

@testable import GateSession

@Suite("Counters")
struct CounterTests {
  @Test("every reason has a place of its own")
  func reasons() {
    #expect(Verdict.Reason.allCases.map { Int($0.rawValue) } == Array(0..<Verdict.Reason.allCases.count))
    #expect(Verdict.Reason.allCases.count <= SessionCounters.reasonsMax)
  }

  @Test("every side, verdict and type has a place of its own, and types that nobody knows share one")
  func places() {
    for side in [Side.client, .bus] {
      for type: UInt8 in 0...255 {
        var counters = SessionCounters()
        counters.countPassed(from: side, Verdict(.allow, .rule), type)
        counters.countPassed(from: side, Verdict(.audit, .noRule), type)
        counters.countRefused(from: side, Verdict(.deny, .noRule), type)
        counters.countRefused(from: side, Verdict(.drop, .strayReply), type)
        let place = type < 5 ? Int(type) : 0
        for action in [Verdict.Action.allow, .audit, .deny, .drop] {
          #expect(counters.messages(from: side, action, type: place) == 1)
        }
        #expect((counters.allowed, counters.denied) == (2, 2))
        #expect(counters.refusals(from: side, .noRule) == 1 && counters.refusals(from: side.other, .noRule) == 0)
      }
    }
  }

  @Test("what ended sessions counted adds up, whichever of them refused anything")
  func sums() {
    var quiet = SessionCounters()
    quiet.countPassed(from: .client, Verdict(.allow, .rule), 1)
    var refusing = quiet
    refusing.countRefused(from: .client, Verdict(.deny, .noRule), 1)
    var sum = SessionCounters()
    for counters in [quiet, refusing, quiet, refusing] { sum.add(counters) }
    #expect((sum.allowed, sum.denied) == (4, 2))
    #expect(sum.refusals(from: .client, .noRule) == 2)
  }

  @Test("what was never for the client, or reaches it as a copy, was not denied", arguments: Verdict.Reason.allCases)
  func denied(reason: Verdict.Reason) {
    var counters = SessionCounters()
    counters.countRefused(from: .bus, Verdict(.drop, reason), 2)
    #expect(counters.denied == (reason.refuses ? 1 : 0))
    #expect(counters.messages(from: .bus, .drop, type: 2) == (reason.refuses ? 1 : 0))
    #expect((counters.kept(from: .bus), counters.kept(from: .client)) == (reason.refuses ? 0 : 1, 0))
    #expect(counters.refusals(from: .bus, reason) == 1)
  }

  @Test("bytes are forwarded or skipped")
  func bytes() {
    var counters = SessionCounters()
    counters.countBytes(100, from: .bus)
    counters.countSkippedBytes(30, from: .bus)
    var sum = SessionCounters()
    sum.add(counters)
    sum.add(counters)
    #expect(sum.bytes(from: .bus, forwarded: true) == 140 && sum.bytes(from: .bus, forwarded: false) == 60)
    #expect(sum.bytes(from: .client, forwarded: true) == 0)
  }
}
