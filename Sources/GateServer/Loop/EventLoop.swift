// Waiting for events. What they mean, and what follows from them, is the server's.

import CLinux
import GateSession
import Glibc

/// An epoll instance with a timer, and the events of the wake-up in progress.
@safe
struct EventLoop: ~Copyable {
  /// Events taken from the kernel at a time.
  private static let capacity = 64

  let poll: PollSet
  var timer: LoopTimer
  private let events: UnsafeMutablePointer<epoll_event>
  private var count = 0

  /// Throws if the kernel has no descriptors for it.
  static func make() throws(SystemError) -> EventLoop {
    let fd = clinux_epoll_create()
    if fd < 0 { throw SystemError("cannot make an epoll descriptor", fd) }
    let loop = EventLoop(PollSet(fd: fd))
    if let failure = loop.timer.failure { throw failure }
    return loop
  }

  private init(_ poll: PollSet) {
    self.poll = poll
    timer = LoopTimer(poll)
    unsafe events = .allocate(capacity: Self.capacity)
    unsafe events.initialize(repeating: epoll_event(), count: Self.capacity)
  }

  deinit {
    unsafe events.deallocate()
    closeDescriptor(poll.fd)
  }

  /// Takes the events that are there; if `blocks` and there are none, waits for one.
  ///
  /// - Returns: How many; or -errno.
  @inline(__always)
  mutating func wait(blocks: Bool) -> Int {
    let result = Int(unsafe clinux_epoll_wait(poll.fd, events, Int32(Self.capacity), blocks ? -1 : 0))
    count = max(0, result)
    return -result == EINTR ? 0 : result
  }

  /// One of the events that the last wait took.
  @inline(__always)
  func event(_ index: Int) -> (token: EventToken, events: UInt32) {
    precondition(index < count, "an event that did not happen")
    return unsafe (EventToken(bits: clinux_epoll_token(events + index)), events[index].events)
  }
}
