// JSON texts that are one line, made readable: blanks behind colons and commas, and a line for each rule.

/// Lays out JSON. Nothing is checked: the texts are our own.
enum JSONText {
  /// `text` on one line, as people write it.
  static func spaced(_ text: String) -> String {
    var spaced = ""
    var isInString = false
    var isEscaped = false
    for character in text {
      spaced.append(character)
      if isInString {
        if isEscaped {
          isEscaped = false
        } else if character == "\\" {
          isEscaped = true
        } else if character == "\"" {
          isInString = false
        }
      } else if character == "\"" {
        isInString = true
      } else if character == ":" || character == "," {
        spaced.append(" ")
      }
    }
    return spaced
  }
}
