// Time that counts only while the sender of an unfinished message is what everybody waits for.

/// How long the local output to one side has waited for the sender of an unfinished message.
struct PartialWait {
  private var accumulated: UInt64 = 0
  private var since: Instant?

  /// Whether nothing waits.
  var isIdle: Bool { since == nil && accumulated == 0 }

  /// Starts, stops or goes on counting. While the receiver is what is waited for, time does not count.
  mutating func count(_ isBlocked: Bool, receiverIsBusy: Bool, at now: Instant) {
    if !isBlocked {
      if since != nil || accumulated != 0 { self = PartialWait() }
    } else if receiverIsBusy {
      if let since { accumulated += now.milliseconds - min(now.milliseconds, since.milliseconds) }
      since = nil
    } else if since == nil {
      since = now
    }
  }

  /// When `timeout` milliseconds have been counted; nil while the time does not count.
  func deadline(_ timeout: UInt64) -> Instant? {
    guard let since else { return nil }
    return since.advanced(byMilliseconds: timeout - min(timeout, accumulated))
  }
}
