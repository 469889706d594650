// The help as a terminal of 80 columns has it.

/// Sets tables of the help.
enum HelpText {
  /// Columns that a line has at most.
  private static let columns = 80
  /// Where the explanations begin.
  private static let indentation = 27

  /// A heading, and beneath it what may be written and what that means.
  static func section(_ heading: String, _ rows: [(head: String, text: String)]) -> String {
    var lines = ["\(heading):"]
    for (head, text) in rows {
      var line = "  \(head)"
      // What is too long for its column stands alone.
      if line.count + 2 > indentation {
        lines.append(line)
        line = ""
      }
      for word in text.split(separator: " ") {
        if !line.isEmpty, line.count >= indentation, line.count + 1 + word.count > columns {
          lines.append(line)
          line = ""
        }
        line += line.count < indentation ? String(repeating: " ", count: indentation - line.count) : " "
        line += word
      }
      lines.append(line)
    }
    return lines.joined(separator: "\n")
  }
}
