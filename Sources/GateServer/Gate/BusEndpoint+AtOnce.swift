// Connecting for callers that cannot wait for a connection in progress.

import Glibc

extension BusEndpoint {
  /// Starts a connection to the first alternative that connects at once.
  ///
  /// - Returns: One whose descriptor is -errno if there is none; -EAGAIN means that the bus is busy accepting.
  func connectAtOnce() -> Opened {
    var opening = connect()
    while true {
      switch opening {
      case .connected(let opened): return opened
      case .busy: return Opened(fd: -EAGAIN, alternative: 0, transport: .unix)
      case .failed(let number): return Opened(fd: number, alternative: 0, transport: .unix)
      case .inProgress(let opened):
        closeDescriptor(opened.fd)
        opening = connect(from: opened.alternative + 1, after: -EINPROGRESS)
      }
    }
  }
}
