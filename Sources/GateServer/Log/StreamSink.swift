// A descriptor that somebody gave us and that others may share: standard error, as a rule. O_NONBLOCK belongs to all who share it and
// is not ours to set; so a pipe or a terminal is opened once more for ourselves, a socket is written to with MSG_DONTWAIT, and where
// neither can be done only so much is written as poll(2) says will not block.

import CLinux
import Glibc

/// Lines to a file, a pipe, a terminal or a stream socket.
struct StreamSink: LogSink {
  private enum Kind { case own, socket, shared }

  private let fd: Int32
  private let kind: Kind

  init(_ descriptor: Int32) {
    var status = stat()
    let type = unsafe fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : 0
    if type == S_IFIFO || type == S_IFCHR {
      let own = unsafe clinux_open("/proc/self/fd/\(descriptor)", O_WRONLY | O_NONBLOCK | O_NOCTTY)
      if own >= 0 {
        (fd, kind) = (own, .own)
        return
      }
    }
    (fd, kind) = (descriptor, type == S_IFSOCK ? .socket : .shared)
  }

  var isStream: Bool { true }

  func write(_ bytes: [UInt8]) -> SinkResult {
    if kind == .shared && clinux_is_writable(fd) == 0 { return .busy(100) }
    let n = unsafe bytes.withUnsafeBytes {
      unsafe kind == .socket
        ? clinux_send_now(fd, $0.baseAddress!, $0.count) : clinux_write_unsignalled(fd, $0.baseAddress!, $0.count)
    }
    if n >= 0 { return .taken(n) }
    switch -Int32(n) {
    case EINTR: return .taken(0)
    case EPIPE, EBADF, ECONNRESET, ENOTCONN, EINVAL: return .gone
    case EAGAIN, ENOBUFS, ENOMEM: return .busy(100)
    default: return .busy(1000)  // a full disk, a quota, a device that fails: it may be mended
    }
  }

  func close() { if kind == .own { closeDescriptor(fd) } }
}
