// A line of the sidecar's log, as text or as JSON, or of the journal's JSON, and the decision that it tells. What the lines look
// like is said by GateServer's TextFormat and JSONFormat; end-to-end tests feed this reader with what those wrote.

import GatePolicy

/// Reads lines of the decision log.
public enum LogLine {
  /// The longest line that is read, in bytes. The log cuts every value at 1024, so its own have some 30,000 at most.
  public static let bytesMax = 65536

  /// The decision that `line` tells; nil if it is a line of the log that tells another event, or blank.
  ///
  /// - Parameter line: without its line end.
  /// - Throws: where it stops being a line of the log.
  public static func decision(_ line: ArraySlice<UInt8>) throws(LogLineError) -> LoggedDecision? {
    var line = line
    if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
    if line.count > bytesMax {
      throw LogLineError(column: bytesMax + 1, message: "line of \(line.count) bytes, expected at most \(bytesMax)")
    }
    guard let first = line.first(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }) else { return nil }
    return first == UInt8(ascii: "{") ? try jsonDecision(line) : try textDecision(line)
  }

  // MARK: Text

  /// First words of lines that tell something else.
  private static let otherEvents: Set<String> = [
    "opened", "closed", "limit", "reload", "suppressed", "lost", "error", "warning", "note",
  ]

  private static func textDecision(_ line: ArraySlice<UInt8>) throws(LogLineError) -> LoggedDecision? {
    var fields = LogFields(line)
    let word = fields.word()
    guard let verdict = LoggedDecision.Verdict(rawValue: word) else {
      // `busgate: error: …` and `file:1:2: error: …` are sentences.
      if otherEvents.contains(word) || word.hasSuffix(":") { return nil }
      if isOfShortForm(line) { throw .shownMessage }
      throw LogLineError(column: 1, message: "no verdict, expected a line of busgate's decision log, as text or JSON")
    }
    if isMessage(behindVerdict: fields) { throw .shownMessage }
    _ = fields.word()  // the time
    var builder = DecisionBuilder()
    builder.verdict = verdict
    while let (key, value) = try fields.next() { try builder.take(key, value, at: fields.column) }
    return try builder.decision(at: fields.column)
  }

  /// Whether what follows is the gate, as in a MESSAGE: `session: ` or `session (39 more): `.
  private static func isMessage(behindVerdict fields: LogFields) -> Bool {
    var fields = fields
    return fields.word().hasSuffix(":") || fields.word().hasPrefix("(")
  }

  /// Whether it begins as what `journalctl` writes unless it is told otherwise: `Jan 31 09:30:00 host busgate[7]: …`.
  private static func isOfShortForm(_ line: ArraySlice<UInt8>) -> Bool {
    for word in line.prefix(512).split(separator: UInt8(ascii: " ")) {
      guard word.count > 4, word.suffix(2).elementsEqual("]:".utf8), let open = word.lastIndex(of: UInt8(ascii: "[")),
        open > word.startIndex
      else {
        continue
      }
      let pid = word[(open + 1)...].dropLast(2)
      return !pid.isEmpty && pid.allSatisfy(\.isDigit)
    }
    return false
  }

  // MARK: JSON

  private static func jsonDecision(_ line: ArraySlice<UInt8>) throws(LogLineError) -> LoggedDecision? {
    do {
      var reader = try JSONReader(Array(line), file: "", firstLine: 1)
      guard try reader.peek() == .object else { throw reader.unexpected(expected: "an object") }
      try reader.open()
      var builder = DecisionBuilder()
      var entry = JournalEntry()
      var isDecision = false
      while let key = try reader.nextKey() {
        let name = String(decoding: key.text, as: UTF8.self)
        switch try reader.peek() {
        case .string:
          let value = String(decoding: try reader.string(), as: UTF8.self)
          if name == "event" { isDecision = value == "decision" }
          entry.take(name, value)
          try builder.take(name, value, at: key.location.column)
        case .number:
          try builder.take(name, String(decoding: try reader.number(), as: UTF8.self), at: key.location.column)
        case .array:
          if let bytes = try journalBytes(from: &reader) { entry.take(name, String(decoding: bytes, as: UTF8.self)) }
        case .object, .boolean, .null:
          try reader.skipValue()
        }
      }
      try reader.end()
      if !isDecision && entry.isOfJournal { return try entry.decision() }
      return isDecision ? try builder.decision(at: line.count) : nil
    } catch let error as ConfigurationError {
      throw LogLineError(column: error.location.column, message: error.message)
    } catch let error as LogLineError {
      throw error
    } catch {
      preconditionFailure("nothing else is thrown: \(error)")
    }
  }

  /// The bytes of a value that the journal does not write as a string, since it is not printable; nil if it is something else.
  private static func journalBytes(from reader: inout JSONReader) throws(ConfigurationError) -> [UInt8]? {
    var bytes: [UInt8]? = []
    try reader.open()
    while try reader.nextElement() {
      guard try reader.peek() == .number else {
        try reader.skipValue()
        bytes = nil
        continue
      }
      let number = UInt8(String(decoding: try reader.number(), as: UTF8.self))
      if let number { bytes?.append(number) } else { bytes = nil }
    }
    return bytes
  }
}
