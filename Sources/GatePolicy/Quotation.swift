// How bytes of a document appear in messages: on one line, in printable ASCII, bounded. Called where errors and warnings are
// made.

/// Bytes of a message that are shown before the rest gives way to three dots.
private let quotedMax = 64

/// `text`, UTF-8, in double quotes: what is not printable ASCII is escaped, what is long is cut.
package func quoted(_ text: some Collection<UInt8>) -> String {
  let shown = String(decoding: text.prefix(quotedMax), as: UTF8.self)
  let escaped = shown.unicodeScalars.map { $0.escaped(asASCII: true) }.joined()
  return text.count > quotedMax ? "\"\(escaped)...\"" : "\"\(escaped)\""
}

/// `byte` as a message calls it: the character if it can be shown, else its value.
func describe(_ byte: UInt8) -> String {
  if byte == UInt8(ascii: "\"") { return "'\"'" }
  if (0x21...0x7E).contains(byte) { return "\"\(Character(Unicode.Scalar(byte)))\"" }
  if byte == 0 { return "NUL" }
  return "byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
}

/// The one of `words` that differs from `text` in at most two letters, and in less than a third of its own, the
/// nearest and first of them.
package func nearest(to text: [UInt8], among words: [String]) -> String? {
  let candidates = words.compactMap { word in
    editDistance(text, Array(word.utf8), max: min(2, (word.utf8.count - 1) / 3)).map { (word: word, distance: $0) }
  }
  return candidates.min { $0.distance < $1.distance }?.word
}

/// How many letters are put in, left out, replaced, or have changed places with their neighbours; nil beyond `max`.
private func editDistance(_ a: [UInt8], _ b: [UInt8], max limit: Int) -> Int? {
  if abs(a.count - b.count) > limit { return nil }
  var (beforeLast, last) = ([Int](), Array(0...b.count))
  for (i, byte) in a.enumerated() {
    var row = [i + 1]
    for (j, other) in b.enumerated() {
      var distance = min(last[j] + (byte == other ? 0 : 1), row[j] + 1, last[j + 1] + 1)
      if i > 0, j > 0, byte == b[j - 1], a[i - 1] == other { distance = min(distance, beforeLast[j - 1] + 1) }
      row.append(distance)
    }
    (beforeLast, last) = (last, row)
  }
  return last[b.count] <= limit ? last[b.count] : nil
}
