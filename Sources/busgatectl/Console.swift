// What goes to standard output and standard error: whole lines, colours only where a person looks on and NO_COLOR is not set.

import GateServer
import Glibc

/// Where a command writes.
struct Console {
  /// How a piece of text stands out, on a terminal.
  enum Style: String {
    case bold = "1"
    case red = "1;31"
    case green = "1;32"
    case yellow = "1;33"
    case dim = "2"
  }

  /// Whether a person looks at standard output.
  let isTerminal = isatty(STDOUT_FILENO) == 1
  /// Whether a person looks at standard error: only then there are bars that move.
  let isErrorTerminal = isatty(STDERR_FILENO) == 1
  private let wantsColor: Bool

  init() {
    // https://no-color.org: set and not empty, whatever it says.
    let noColor = unsafe getenv("NO_COLOR").map { unsafe $0.pointee != 0 } ?? false
    let isDumb = unsafe getenv("TERM").map { unsafe String(cString: $0) == "dumb" } ?? false
    wantsColor = !noColor && !isDumb
  }

  /// `text`, which stands out if it goes to a terminal.
  func styled(_ text: String, _ style: Style, onError: Bool = false) -> String {
    (onError ? isErrorTerminal : isTerminal) && wantsColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// Writes `text` and a line end to standard output.
  func print(_ text: String) { Console.write(text + "\n", to: STDOUT_FILENO) }

  /// Writes a line to standard error.
  func printError(_ text: String) { Console.write(text + "\n", to: STDERR_FILENO) }

  /// Writes to standard error what somebody else said: one line, which does nothing to a terminal.
  func printErrorLine(_ text: String) {
    printError(PlainText.onOneLine(text))
  }

  /// Says that standard input is read, where that is a terminal and somebody may wait for something to happen.
  func sayIfTerminalIsRead(_ what: String) {
    if isatty(STDIN_FILENO) == 1 { printError("busgatectl: reading \(what) from the terminal, which Ctrl-D ends") }
  }

  /// Writes all of `text`. A reader that is gone ends the program, quietly, as everybody expects of a filter.
  static func write(_ text: String, to descriptor: Int32) {
    let bytes = Array(text.utf8)
    var at = 0
    while at < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + at, $0.count - at) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { exit(errno == EPIPE ? 0 : 71) }
      at += count
    }
  }
}
