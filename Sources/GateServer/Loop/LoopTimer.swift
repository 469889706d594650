// What wakes the loop when nothing happens. A timeout of epoll_wait(2) would do, but sets and cancels the processor's timer each
// time round the loop: 2% of what a request and its reply cost. This timer is set when something is due earlier, and left alone
// otherwise. It may expire when nothing is due any more, which costs nothing.

import CLinux
import GateSession
import Glibc

/// A timerfd(2).
struct LoopTimer: ~Copyable {
  private let fd: Int32
  /// When it expires; nil: never.
  private var due: Instant?

  /// A timer that `epoll` watches with ``EventToken/timer``. Where the kernel has none to give, the timeout of epoll_wait(2)
  /// takes its place.
  init(epoll: Int32) {
    var made = clinux_timer()
    if made >= 0 && clinux_epoll_control(epoll, EPOLL_CTL_ADD, made, EPOLLIN.rawValue, EventToken.timer.bits) < 0 {
      closeDescriptor(made)
      made = -1
    }
    fd = made
  }

  deinit { closeDescriptor(fd) }

  /// The timeout for epoll_wait until `instant`, at which it wakes up at the latest; nil: for ever.
  @inline(__always)
  mutating func timeout(until instant: Instant?, at now: Instant) -> Int32 {
    guard let instant else { return -1 }
    if let due, due <= instant { return -1 }
    return set(instant, at: now)
  }

  @inline(never)
  private mutating func set(_ instant: Instant, at now: Instant) -> Int32 {
    if instant <= now { return 0 }
    let wait = Int32(clamping: instant.milliseconds - now.milliseconds)
    if fd < 0 || clinux_set_timer(fd, instant.milliseconds) < 0 { return wait }
    due = instant
    return -1
  }

  /// It expired.
  mutating func wentOff() {
    clinux_forget_expiry(fd)
    due = nil
  }
}
