// A word of a command line that may have its value in it: `--flag=VALUE`.

/// A word, cut at its first `=` if it is a flag.
struct FlagWord {
  let name: String
  /// What stands behind the `=`, which may be empty; nil: there is none, and the value is the next word.
  let value: String?

  init(_ word: String) {
    guard word.hasPrefix("--"), let equals = word.utf8.firstIndex(of: UInt8(ascii: "=")) else {
      (name, value) = (word, nil)
      return
    }
    name = String(word[..<equals])
    value = String(word[word.utf8.index(after: equals)...])
  }
}
