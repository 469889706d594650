// How many events may be written: a bucket that fills with time.

import GateSession

/// So many events a second on average, and a burst after a time of rest.
struct EventRate {
  private let perSecond: UInt64
  private let burst: UInt64
  /// Events that may be written now, in thousandths: what a millisecond brings is `perSecond` of these.
  private var thousandths: UInt64
  private var last: Instant

  init(perSecond: Int, burst: Int, at now: Instant) {
    self.perSecond = UInt64(perSecond)
    self.burst = UInt64(burst) * 1000
    thousandths = self.burst
    last = now
  }

  /// Whether one more event may be written; if so it counts.
  mutating func admits(at now: Instant) -> Bool {
    if now > last {
      let gained = (now.milliseconds - last.milliseconds).multipliedReportingOverflow(by: perSecond)
      thousandths = gained.overflow ? burst : min(burst, thousandths &+ min(burst, gained.partialValue))
      last = now
    }
    if thousandths < 1000 { return false }
    thousandths -= 1000
    return true
  }
}
