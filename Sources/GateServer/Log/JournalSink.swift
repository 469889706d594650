// journald's socket. It is named anew for every datagram, so that a journald that was restarted is found again.

import CLinux
import Glibc

/// Datagrams to the journal.
struct JournalSink: LogSink {
  private let fd: Int32
  private let name: UnixSocketName

  /// Throws if nobody listens at `path`, or it has more than the 107 bytes of a socket address.
  init(path: String) throws(SystemError) {
    name = UnixSocketName(path: path)
    if name.bytes.count > 107 { throw SystemError("cannot reach the journal at \(path)", ENAMETOOLONG) }
    fd = clinux_socket_datagram(0)
    if fd < 0 { throw SystemError("cannot make a socket for the journal", fd) }
    let probe = clinux_socket_datagram(0)
    let result = probe < 0 ? probe : name.connect(probe)
    closeDescriptor(probe)
    if result < 0 {
      closeDescriptor(fd)
      throw SystemError("cannot reach the journal at \(path)", result)
    }
  }

  var isStream: Bool { false }

  func write(_ bytes: [UInt8]) -> SinkResult {
    let n = unsafe name.bytes.withUnsafeBufferPointer { name in
      unsafe bytes.withUnsafeBytes { unsafe clinux_send_datagram(fd, name.baseAddress!, name.count, $0.baseAddress!, $0.count) }
    }
    if n >= 0 { return .taken(bytes.count) }
    switch -Int32(n) {
    case EINTR: return .taken(0)
    case EMSGSIZE: return .refused
    case EAGAIN, ENOBUFS, ENOMEM: return .busy(100)
    default: return .busy(1000)  // it is being restarted
    }
  }

  func close() { closeDescriptor(fd) }
}
