// What came of the gate's own last try at a bus: of the probe that learns its GUID, or of the observer. What came of clients' connections is not among
// it, and neither is what the gate could not do for want of descriptors or memory, which clients may have taken: no container may make the gate look ill.

import GateSession
import Glibc

/// Whether the gate could reach a bus when it last tried for itself.
struct BusReach {
  enum State: Equatable {
    /// It has not tried yet.
    case untried
    case reached
    /// A sentence.
    case failed(String)
  }

  /// Milliseconds until the gate tries again by itself: at first, and at most. It doubles in between. Untuned: whoever watches health does so every 10
  /// to 30 s.
  private static let pause: (first: UInt64, last: UInt64) = (1000, 10_000)

  private(set) var state = State.untried
  /// When it last tried, and learnt something.
  private(set) var triedAt: Instant?
  /// What kept it from trying since then.
  private(set) var hindrance: String?
  /// When it tries again by itself; nil: it need not.
  private(set) var retryAt: Instant?
  private var retries: UInt64 = 0

  var hasFailed: Bool {
    switch state {
    case .untried, .reached: false
    case .failed: true
    }
  }

  /// Whether it is to be tried again, and nobody has said when.
  var awaitsRetry: Bool { retryAt == nil && (hasFailed || hindrance != nil) }

  /// It said who it is, or answered the observer.
  mutating func noteReached(at now: Instant) {
    (state, triedAt, hindrance, retryAt, retries) = (.reached, now, nil, nil, 0)
  }

  /// It did not.
  mutating func noteFailed(_ reason: String, at now: Instant) {
    (state, triedAt, hindrance) = (.failed(reason), now, nil)
  }

  /// A call of the gate's own failed before the bus was asked.
  mutating func noteFailed(_ error: SystemError, at now: Instant) {
    if Self.isForWantOfRoom(error.number) { hindrance = "\(error)" } else { noteFailed("\(error)", at: now) }
  }

  /// The next try is due after a pause, each time a longer one.
  mutating func postpone(from now: Instant) {
    retryAt = now.advanced(byMilliseconds: min(Self.pause.first << min(retries, 10), Self.pause.last))
    retries += 1
  }

  /// A client has found the bus: it is worth a try.
  mutating func hasten(at now: Instant) {
    if retryAt != nil { (retryAt, retries) = (now, 0) }
  }

  /// Whether the process, its user or the system had no descriptors, watches or memory left.
  static func isForWantOfRoom(_ number: Int32) -> Bool {
    [EMFILE, ENFILE, ENOMEM, ENOBUFS, ENOSPC].contains(number)
  }
}
