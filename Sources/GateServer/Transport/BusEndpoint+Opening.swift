// What comes of opening a connection to the bus.

import GateSession
import Glibc

extension BusEndpoint {
  /// What came of opening a connection, without waiting.
  enum Opening {
    case connected(Opened)
    /// When its descriptor is writable, ``Opened/result()`` says what came of it.
    case inProgress(Opened)
    /// The bus has no room for one more connection at this moment. Nothing was opened.
    case busy
    /// The last alternative's -errno. Nothing was opened.
    case failed(Int32)
  }

  /// A connection that was opened, or is being opened. Who has it closes its descriptor.
  struct Opened {
    /// Its descriptor.
    let fd: Int32
    /// Which alternative of the address it leads to.
    let alternative: Int
    /// What it can carry.
    let transport: Transport

    /// What came of a connection in progress: 0 if it is connected, -EINPROGRESS as long as its descriptor is not writable, else -errno, told
    /// once, and the next alternative is to be tried. The corresponding socket option is SO_ERROR, see socket(7).
    func result() -> Int32 { Self.result(of: fd) }

    /// The same of a descriptor, for who has kept nothing else.
    static func result(of fd: Int32) -> Int32 {
      var poller = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
      if unsafe poll(&poller, 1, 0) == 0 { return -EINPROGRESS }  // SO_ERROR would say 0
      var number: Int32 = 0
      var size = socklen_t(MemoryLayout<Int32>.size)
      return unsafe getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) == 0 ? -number : -errno
    }
  }
}
