// Configuration lines on standard input, one document a line, as SoftwareContainer sends them over time.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Reads lines from `fd`, from now to its end, which does not end the server. It may be a pipe, a terminal, a file or nothing.
  ///
  /// - Parameter onLine: Called with each line, without its end, and its number; the last one counts without an end too.
  public mutating func readLines(from fd: Int32, _ onLine: @escaping LineReader.Handler) throws(SystemError) {
    let reader = LineReader(fd, onLine)
    do throws(SystemError) {
      try watch(fd) { server, id, _ in
        if !reader.read(&server) { server.unwatch(id) }
      }
    } catch {
      if error.number != EPERM { throw SystemError("cannot watch standard input", error.number) }
      // A regular file cannot be waited for and need not be.
      while reader.read(&self) {}
    }
  }
}

/// Lines from a descriptor.
public final class LineReader {
  /// What is done with a line and its number.
  public typealias Handler = (inout Server, [UInt8], Int) -> Void

  /// Bytes that a line may have: what a document may have.
  private static let lineBytesMax = 16 * 1024 * 1024
  private static let chunkBytes = 65_536

  private let fd: Int32
  private let onLine: Handler
  private var line: [UInt8] = []
  private var lineNumber = 1
  /// The rest of a line that is too long is passed over.
  private var isPassingOver = false

  init(_ fd: Int32, _ onLine: @escaping Handler) { (self.fd, self.onLine) = (fd, onLine) }

  /// One read of what is there. False: there is nothing more to come.
  func read(_ server: inout Server) -> Bool {
    var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
    let n = unsafe chunk.withUnsafeMutableBytes { unsafe clinux_read(fd, $0.baseAddress!, $0.count) }
    if -n == EINTR || -n == EAGAIN { return true }
    if n <= 0 {
      finishLine(&server)
      return false
    }
    for byte in chunk[..<n] {
      if byte == UInt8(ascii: "\n") {
        finishLine(&server)
      } else if !isPassingOver {
        append(byte, server.io.log)
      }
    }
    return true
  }

  private func append(_ byte: UInt8, _ log: Log) {
    line.append(byte)
    if line.count <= Self.lineBytesMax { return }
    log.error("stdin:\(lineNumber): error: a line of more than \(Self.lineBytesMax) bytes is passed over")
    line = []
    isPassingOver = true
  }

  private func finishLine(_ server: inout Server) {
    let (finished, number) = (line, lineNumber)
    let counts = !isPassingOver && !finished.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    (line, isPassingOver, lineNumber) = ([], false, lineNumber + 1)
    if counts { onLine(&server, finished, number) }
  }
}
