// Time that counts only while the sender of an unfinished message is what is waited for.

import Testing

@testable import GateSession

@Suite("how long an unfinished message has kept others waiting")
struct PartialWaitTests {
  private func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }

  @Test("as long as nobody waits there is no deadline")
  func idle() {
    var wait = PartialWait()
    #expect(wait.isIdle && wait.deadline(100) == nil)
    wait.count(false, receiverIsBusy: false, at: at(1000))
    wait.count(false, receiverIsBusy: true, at: at(2000))
    #expect(wait.isIdle && wait.deadline(100) == nil)
  }

  @Test("it counts from the moment on in which somebody waits, however often one looks")
  func counts() {
    var wait = PartialWait()
    for now in [1000, 1050, 1099] as [UInt64] {
      wait.count(true, receiverIsBusy: false, at: at(now))
      #expect(!wait.isIdle && wait.deadline(100) == at(1100))
    }
  }

  @Test("while the receiver is what is waited for the time stands still")
  func receiver() {
    var wait = PartialWait()
    wait.count(true, receiverIsBusy: false, at: at(1000))
    wait.count(true, receiverIsBusy: true, at: at(1070))
    #expect(wait.deadline(100) == nil && !wait.isIdle)
    wait.count(true, receiverIsBusy: true, at: at(5000))
    wait.count(true, receiverIsBusy: false, at: at(9000))
    #expect(wait.deadline(100) == at(9030), "seventy of a hundred had gone by")
  }

  @Test("what has gone by adds up, and cannot exceed what there was")
  func sums() {
    var wait = PartialWait()
    for start in [1000, 2000, 3000] as [UInt64] {
      wait.count(true, receiverIsBusy: false, at: at(start))
      wait.count(true, receiverIsBusy: true, at: at(start + 40))
    }
    wait.count(true, receiverIsBusy: false, at: at(4000))
    #expect(wait.deadline(130) == at(4010))
    #expect(wait.deadline(100) == at(4000), "it is due at once")
  }

  @Test("a receiver that is waited for from the start costs nothing")
  func busyFirst() {
    var wait = PartialWait()
    wait.count(true, receiverIsBusy: true, at: at(1000))
    #expect(wait.isIdle && wait.deadline(100) == nil)
  }

  @Test("once nobody waits it begins anew", arguments: [true, false])
  func anew(isReceiverBusy: Bool) {
    var wait = PartialWait()
    wait.count(true, receiverIsBusy: false, at: at(1000))
    wait.count(true, receiverIsBusy: isReceiverBusy, at: at(1090))
    wait.count(false, receiverIsBusy: false, at: at(1095))
    #expect(wait.isIdle)
    wait.count(true, receiverIsBusy: false, at: at(2000))
    #expect(wait.deadline(100) == at(2100))
  }
}
