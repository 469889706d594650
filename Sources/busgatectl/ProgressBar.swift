// A bar that moves on standard error while a long command runs, if a person looks on; it is gone when the command is done.

import Glibc

/// How far a command is.
struct ProgressBar {
  private static let width = 30

  private let title: String
  private let total: Int
  private let isShown: Bool
  private var shown = -1

  /// A bar for `total` things. Not shown where nobody looks on, or where the command is done before anybody does.
  init(_ title: String, total: Int, atLeast few: Int, _ console: Console) {
    self.title = title
    self.total = max(1, total)
    isShown = console.isErrorTerminal && total >= few
  }

  /// So many are done.
  mutating func advance(to count: Int) {
    let percent = min(100, count * 100 / total)
    if !isShown || percent == shown { return }
    shown = percent
    let full = percent * Self.width / 100
    let bar = String(repeating: "#", count: full) + String(repeating: ".", count: Self.width - full)
    Console.write("\r\(title) [\(bar)] \(percent)%", to: STDERR_FILENO)
  }

  /// Takes the bar away.
  func finish() {
    if isShown && shown >= 0 { Console.write("\r\u{1B}[K", to: STDERR_FILENO) }
  }
}
