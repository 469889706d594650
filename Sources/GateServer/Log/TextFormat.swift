// The log as text: a word, the time, then `key=value`, as `deny 2026-01-31T09:30:00.250Z gate=session connection=7 …`. The word is
// the verdict of a decision, else the event. An event that is nothing but a sentence, of a program without a name, is `busgate: error: …`.
//
// One event is one line, whatever is in it: a value that is not plain stands in double quotes, and there `"`, `\` and whatever a
// terminal would act on are escaped.

enum TextFormat {
  static func write(_ event: LogEvent, of instance: InstanceName? = nil) -> [UInt8] {
    var text: String
    if instance == nil, let sentence = event.onlySentence {
      text = "busgate: \(event.kind == .note ? "" : "\(event.kind.rawValue): ")\(printable(sentence))"
    } else {
      text = "\(word(event)) \(event.time)"
      if let instance { text += " \(LogKey.instance.rawValue)=\(quoted(instance.description))" }
      for (key, value) in event.fields where key != .verdict {
        text += " \(key.rawValue)="
        switch value {
        case .number(let number): text += String(number)
        case .text(let value): text += quoted(value)
        }
      }
    }
    return Array(text.utf8) + [UInt8(ascii: "\n")]
  }

  private static func word(_ event: LogEvent) -> String { event[.verdict]?.description ?? event.kind.rawValue }

  /// A value, in quotes if it is not plain.
  static func quoted(_ text: String) -> String {
    let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    if isPlain && !text.isEmpty { return text }
    var quoted = "\""
    for scalar in text.unicodeScalars {
      if scalar == "\"" || scalar == "\\" { quoted += "\\" }
      quoted += scalar.isUnprintable ? scalar.escape : String(scalar)
    }
    return quoted + "\""
  }

  /// A sentence on one line.
  static func printable(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    return text.unicodeScalars.map { $0.isUnprintable ? $0.escape : String($0) }.joined()
  }
}

extension LogEvent {
  /// The sentence, where there is nothing else.
  var onlySentence: String? {
    switch kind {
    case .error, .warning, .note:
      guard fields.count == 1, case .text(let sentence)? = self[.message] else { return nil }
      return sentence
    case .decision, .opened, .closed, .limit, .reload, .suppressed, .lost: return nil
    }
  }
}

extension Unicode.Scalar {
  /// Whether it would do something instead of being seen: control characters, ends of lines, and what turns the order of the text
  /// around (CVE-2021-42574).
  var isUnprintable: Bool {
    switch value {
    case 0x00...0x1F, 0x7F...0x9F, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  fileprivate var escape: String { "\\u{\(String(value, radix: 16))}" }
}
