// A pipe in the kernel, through which the bodies of large messages go from socket to socket without being copied to this process and back.
// What a receiver does not take stays in the pipe: it is the output queue then, as the read buffer is otherwise.

import CLinux
import Glibc

/// A pipe that holds bytes of one direction of one connection, or none.
struct SplicePipe: BitwiseCopyable {
  /// What a pipe may hold, as a read buffer does.
  static let byteCountMax = ReadBuffer.byteCount

  private let readEnd: Int32
  private let writeEnd: Int32
  /// Bytes in it.
  private(set) var byteCount = 0

  /// A new pipe; nil if there is none to be had.
  init?() {
    var ends: (Int32, Int32) = (-1, -1)
    if unsafe clinux_pipe(&ends.0, &ends.1, Int32(Self.byteCountMax)) < 0 { return nil }
    (readEnd, writeEnd) = ends
  }

  /// Moves up to `count` bytes from a socket into the pipe.
  ///
  /// - Returns: How many; 0 at the end of the stream; -errno.
  mutating func fill(from socket: Int32, _ count: Int) -> Int {
    let n = clinux_splice(socket, writeEnd, min(count, Self.byteCountMax))
    if n > 0 { byteCount += n }
    return n
  }

  /// Copies `bytes`, at most PIPE_BUF (4096), into the pipe. False: there is no room for them.
  mutating func add(_ bytes: RawSpan) -> Bool {
    let count = bytes.byteCount
    let n = unsafe bytes.withUnsafeBytes { unsafe clinux_write(writeEnd, $0.baseAddress!, count) }
    if n != count { return false }
    byteCount += count
    return true
  }

  /// Moves what is in the pipe to a socket, as far as that takes it: how many bytes, or -errno.
  mutating func drain(to socket: Int32) -> Int {
    let n = clinux_splice(readEnd, socket, byteCount)
    if n > 0 { byteCount -= n }
    return n
  }

  /// Closes both ends, with what is in between.
  func close() {
    closeDescriptor(readEnd)
    closeDescriptor(writeEnd)
  }
}
