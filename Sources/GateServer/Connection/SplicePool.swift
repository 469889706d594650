// What splicing large messages needs and is not worth making for each wake-up: empty pipes, and the files that tell how many descriptors
// wait in a socket. The pool is kept for a moment after it was last used, so that an idle gate has no descriptor that it had not before.

import CLinux
import GateSession
import Glibc

/// Unused pipes, and the fdinfo files of some sockets.
struct SplicePool: ~Copyable {
  /// Milliseconds for which it is kept.
  private static let keptFor: UInt64 = 100

  private var pipes = InlineArray<4, SplicePipe?>(repeating: nil)
  private var pipeCount = 0
  /// A socket's number and its fdinfo file, which is that of whatever has the number.
  private var infos = InlineArray<8, (socket: Int32, file: Int32)>(repeating: (-1, -1))
  private var oldest = 0
  /// Whether there is something that can be spliced.
  private(set) var isUsable = clinux_ignores_sigpipe() != 0
  /// When the pool is emptied unless it is used before; nil: it is empty.
  private(set) var expiry: Instant?

  /// Bytes that wait in a socket and that no descriptor comes with.
  mutating func plainByteCount(in socket: Int32, at now: Instant) -> Int {
    expiry = now.advanced(byMilliseconds: Self.keptFor)
    guard let file = info(of: socket) else { return 0 }
    // In this order: a descriptor that comes in between is seen, and belongs to bytes behind those that were counted.
    let count = clinux_unread(socket)
    guard count >= 0, let descriptorsWait = SocketInfo.descriptorsWait(file: file) else {
      isUsable = false
      return 0
    }
    return descriptorsWait ? 0 : Int(count)
  }

  private mutating func info(of socket: Int32) -> Int32? {
    for index in infos.indices where infos[index].socket == socket { return infos[index].file }
    let file = clinux_open_info(socket)
    if file < 0 {
      isUsable = file == -EMFILE || file == -ENFILE  // without /proc nothing is spliced
      return nil
    }
    closeDescriptor(infos[oldest].file)
    infos[oldest] = (socket, file)
    oldest = (oldest + 1) % infos.count
    return file
  }

  /// An empty pipe.
  mutating func takePipe() -> SplicePipe? {
    if pipeCount == 0 { return SplicePipe() }
    pipeCount -= 1
    return pipes[pipeCount]
  }

  /// Takes back a pipe.
  mutating func give(_ unneeded: SplicePipe) {
    if pipeCount == pipes.count || unneeded.byteCount > 0 || expiry == nil {
      unneeded.close()
      return
    }
    pipes[pipeCount] = unneeded
    pipeCount += 1
  }

  /// Closes everything if it was not used for a while.
  mutating func expire(at now: Instant) {
    guard let expiry, now >= expiry else { return }
    release()
  }

  private mutating func release() {
    expiry = nil
    for index in 0..<pipeCount { pipes[index]?.close() }
    pipeCount = 0
    for index in infos.indices {
      closeDescriptor(infos[index].file)
      infos[index] = (-1, -1)
    }
  }

  deinit {
    for index in 0..<pipeCount { pipes[index]?.close() }
    for index in infos.indices { closeDescriptor(infos[index].file) }
  }
}
