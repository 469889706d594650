// Findings for people and for programs. For people as compilers write them, on standard error; on a terminal with the line and a caret.

import GatePolicy
import PolicyTools

/// Writes findings.
struct FindingPrinter {
  /// Bytes of a line that are shown on either side of the caret: a document may be one line of megabytes.
  private static let shownMax = 60

  let console: Console
  let texts: [String: [UInt8]]

  /// For people.
  func print(_ findings: [Finding]) {
    for finding in findings {
      let color: Console.Style = finding.severity == .error ? .red : .yellow
      let place = console.styled("\(finding.location):", .bold, onError: true)
      let word = console.styled("\(finding.severity.rawValue):", color, onError: true)
      console.printError("\(place) \(word) \(finding.message) [\(finding.id)]")
      if console.isErrorTerminal { showLine(finding.location) }
    }
  }

  private func showLine(_ location: SourceLocation) {
    guard let text = texts[location.file] else { return }
    let lines = text.split(separator: UInt8(ascii: "\n"), maxSplits: location.line, omittingEmptySubsequences: false)
    guard location.line <= lines.count else { return }
    let line = lines[location.line - 1]
    let caret = min(location.column - 1, line.count)
    let start = max(0, caret - Self.shownMax)
    let shown = line.dropFirst(start).prefix(2 * Self.shownMax)
    let before = start > 0 ? "… " : ""
    console.printError("  \(before)\(printable(shown))\(start + shown.count < line.count ? " …" : "")")
    let blank = String(repeating: " ", count: before.count + printable(shown.prefix(caret - start)).count)
    console.printError("  \(blank)\(console.styled("^", .green, onError: true))")
  }

  /// What a terminal may be given: one column for each character, nothing that it acts on.
  private func printable(_ bytes: ArraySlice<UInt8>) -> String {
    String(
      String.UnicodeScalarView(
        String(decoding: bytes, as: UTF8.self).unicodeScalars.map {
          $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0
        }))
  }

  /// For programs: one object.
  func json(_ findings: [Finding], files: [String]) -> String {
    var json = JSONWriter()
    json.object { json in
      json.key("files")
      json.array { json in
        for file in files { json.value(file) }
      }
      json.member("errors", findings.count { $0.severity == .error })
      json.member("warnings", findings.count { $0.severity == .warning })
      json.key("findings")
      json.array { json in
        for finding in findings { write(finding, &json) }
      }
    }
    return String(decoding: json.text, as: UTF8.self)
  }

  private func write(_ finding: Finding, _ json: inout JSONWriter) {
    json.object { json in
      json.member("file", finding.location.file)
      json.member("line", finding.location.line)
      json.member("column", finding.location.column)
      json.member("severity", finding.severity.rawValue)
      json.member("id", finding.id)
      json.member("message", finding.message)
    }
  }
}
