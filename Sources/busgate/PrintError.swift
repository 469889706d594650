// Lines on standard error, for what is said before there is a log.

import GateServer
import Glibc

/// Writes a line to standard error, one line whatever is in it. Where that is the journal it is an error there too (`journalctl -p err`):
/// systemd reads a level in front of a line as syslog(3) writes it.
func printError(_ text: String) {
  let level = standardErrorIsJournal ? "<3>" : ""
  let line = Array("\(level)\(PlainText.onOneLine(text))\n".utf8)
  var at = 0
  while at < line.count {
    let n = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress! + at, $0.count - at) }
    if n <= 0 && errno != EINTR { return }
    at += max(0, n)
  }
}

/// Whether systemd has connected standard error to the journal. Source: systemd.exec(5), JOURNAL_STREAM: its device and inode.
var standardErrorIsJournal: Bool {
  guard let stream = unsafe getenv("JOURNAL_STREAM") else { return false }
  var status = stat()
  return unsafe fstat(STDERR_FILENO, &status) == 0 && String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
}
