// The names of limits: those that reasons of verdicts speak of are among them, and metrics count each once.

import GateSession
import Testing

@testable import GateServer

@Suite("the names of limits")
struct LimitNameTests {
  @Test("each limit that a reason names is one", arguments: Verdict.Reason.allCases.filter { $0.entry.limit != nil })
  func reasons(reason: Verdict.Reason) {
    let named = LimitName.allCases.filter { $0.name == reason.entry.limit?.description }
    #expect(named.count == 1 && named.first?.reason == reason)
  }

  @Test("no two have one name, and their places are those of their names in order")
  func order() {
    let names = LimitName.allCases.map(\.name)
    #expect(names == names.sorted() && Set(names).count == names.count)
    #expect(LimitName.allCases.map(\.place) == Array(names.indices))
  }

  @Test("what no reason names ends a connection, or is counted where it is met")
  func others() {
    #expect(
      LimitName.allCases.filter { $0.reason == nil } == [
        .authTimeout, .busConnectionsTotal, .connectionsMax, .descriptors, .drainTimeout, .fdsInFlightMax, .helloPendingMax,
        .helloTimeout, .ownOutputBytesMax, .partialMessageTimeout, .unauthenticatedMax,
      ])
  }

  @Test(
    "a time that ran out is the limit that ended the connection; what a peer did is none",
    arguments: [
      (.authTimeout, .authTimeout), (.helloTimeout, .helloTimeout), (.partialMessageTimeout(.bus), .partialMessageTimeout),
      (.mutualWait, .partialMessageTimeout), (.drainTimeout, .drainTimeout), (.endOfStream(.client), nil), (.busChanged, nil),
      (.monitorRevoked, nil), (.namesNotFollowed, nil), (.nameNotReleased, nil), (.descriptorMismatch(.client), nil),
    ] as [(CloseReason, LimitName?)])
  func closing(reason: CloseReason, limit: LimitName?) { #expect(LimitName(reason) == limit) }
}
