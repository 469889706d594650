// What the kernel is asked to tell: an epoll(7) instance. Whoever has a socket to watch holds a copy of this handle; EventLoop owns and closes it.
//
// How epoll is used. Every descriptor is registered level-triggered under a token (EventToken.swift): an event says "there is something", again
// and again until it was dealt with, so that one read of at most one buffer per wake-up is enough and no connection can keep the
// loop to itself. A socket's interest changes only when its pipe blocks or unblocks. A peer that hung up is reported whether one
// asks or not; a socket that is not being read then leaves the set, or the loop would spin.

import CLinux
import Glibc

/// The descriptors that are watched.
struct PollSet: BitwiseCopyable {
  /// What can be asked for.
  static let readable = EPOLLIN.rawValue
  static let writable = EPOLLOUT.rawValue
  /// What is told unasked.
  static let hungUp = EPOLLHUP.rawValue | EPOLLERR.rawValue

  let fd: Int32

  /// 0, or -errno. The corresponding system call is epoll_ctl(2), EPOLL_CTL_ADD.
  func add(_ descriptor: Int32, _ events: UInt32, _ token: EventToken) -> Int32 {
    clinux_epoll_control(fd, EPOLL_CTL_ADD, descriptor, events, token.bits)
  }

  /// 0, or -errno. The corresponding system call is epoll_ctl(2), EPOLL_CTL_MOD.
  func modify(_ descriptor: Int32, _ events: UInt32, _ token: EventToken) -> Int32 {
    clinux_epoll_control(fd, EPOLL_CTL_MOD, descriptor, events, token.bits)
  }

  /// A descriptor that others have too stays in the set when it is closed here. The corresponding system call is epoll_ctl(2), EPOLL_CTL_DEL.
  func remove(_ descriptor: Int32) { _ = clinux_epoll_control(fd, EPOLL_CTL_DEL, descriptor, 0, 0) }
}
