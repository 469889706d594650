// Lines on standard error, for what is said before there is a log.

import Glibc

/// Writes a line to standard error, one line whatever is in it.
func printError(_ text: String) {
  let line = text.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 } + [UInt8(ascii: "\n")]
  var at = 0
  while at < line.count {
    let n = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress! + at, $0.count - at) }
    if n <= 0 && errno != EINTR { return }
    at += max(0, n)
  }
}
