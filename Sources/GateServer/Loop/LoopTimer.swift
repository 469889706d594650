// What wakes the loop when nothing happens. A timeout of epoll_wait(2) would do for a program, but sets and cancels the processor's timer each
// time round the loop: 2% of what a request and its reply cost. And a host that polls the loop's descriptor would not see it. This timer is
// set when something is due earlier, and left alone otherwise. It may expire when nothing is due any more, which costs nothing.

import CLinux
import GateSession
import Glibc

/// A timerfd(2).
struct LoopTimer: ~Copyable {
  private let fd: Int32
  /// When it expires; nil: never.
  private var due: Instant?

  /// Why there is none.
  let failure: SystemError?

  /// A timer that `poll` watches with ``EventToken/timer``.
  init(_ poll: PollSet) {
    fd = clinux_timer()
    let result = fd < 0 ? fd : poll.add(fd, PollSet.readable, .timer)
    failure = result < 0 ? SystemError("cannot make a timer", result) : nil
  }

  deinit { closeDescriptor(fd) }

  /// Expires at `instant`, or before; nil: need not.
  @inline(__always)
  mutating func expire(at instant: Instant?) {
    guard let instant else { return }
    if let due, due <= instant { return }
    set(instant)
  }

  @inline(never)
  private mutating func set(_ instant: Instant) {
    // A time of 0 would stop it.
    _ = clinux_set_timer(fd, max(1, instant.milliseconds))
    due = instant
  }

  /// It expired.
  mutating func wentOff() {
    clinux_forget_expiry(fd)
    due = nil
  }
}
