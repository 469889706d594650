// Reading configuration lines in the loop.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Reads lines from `fd`, from now to its end, which does not end the server.
  public mutating func readLines(from fd: Int32, _ onLine: @escaping (inout Server, [UInt8], Int) -> Void) throws(SystemError) {
    input = StandardInput(fd: fd, onLine: onLine)
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN.rawValue, EventToken.standardInput.bits)
    if result == 0 { return }
    if -result != EPERM { throw SystemError("cannot watch standard input", result) }
    // A regular file cannot be waited for and need not be.
    while input != nil { readInput() }
  }

  /// One read of what is there.
  mutating func readInput() {
    guard let fd = input?.fd else { return }
    var chunk = [UInt8](repeating: 0, count: 65536)
    let n = unsafe chunk.withUnsafeMutableBytes { unsafe clinux_read(fd, $0.baseAddress!, $0.count) }
    if -n == EINTR || -n == EAGAIN { return }
    if n <= 0 {
      _ = clinux_epoll_control(epoll, EPOLL_CTL_DEL, fd, 0, 0)
      finishLine(isEnd: true)
      input = nil
      return
    }
    for byte in chunk[..<n] {
      if byte == UInt8(ascii: "\n") {
        finishLine(isEnd: false)
      } else if input?.isPassingOver == false {
        input?.line.append(byte)
        if input?.line.count ?? 0 > StandardInput.lineBytesMax {
          log.error(
            "stdin:\(input?.lineNumber ?? 0): error: a line of more than \(StandardInput.lineBytesMax) bytes is passed over")
          input?.line = []
          input?.isPassingOver = true
        }
      }
    }
  }

  private mutating func finishLine(isEnd: Bool) {
    guard var current = input else { return }
    let line = current.line
    let number = current.lineNumber
    let counts = !current.isPassingOver && !line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    current.line = []
    current.isPassingOver = false
    current.lineNumber += 1
    input = current
    if counts { current.onLine(&self, line, number) }
  }
}
