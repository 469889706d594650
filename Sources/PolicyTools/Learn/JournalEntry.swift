// An entry of the journal: fields with names in capitals. It is a decision if the sidecar wrote it natively, with the log's keys after
// BUSGATE_; or if its MESSAGE is a line of the log, where the sidecar wrote to standard error under systemd.
//
// Source: systemd, "Journal Export Formats": `NAME=value` on a line, or the name on a line, eight bytes of length, the value and a
// line feed; an empty line ends the entry.

/// Collects the fields of one entry.
struct JournalEntry {
  /// Bytes of a value that are kept. The log's own have 1027 at most, a line of it more.
  private static let valueBytesMax = LogLine.bytesMax

  private var builder = DecisionBuilder()
  private var message: String?
  private var event: String?
  private var error: LogLineError?
  /// The field whose value comes as bytes of a given number, if one does.
  private var name: String?
  /// Whether there is a field that only entries of the journal have.
  private(set) var isOfJournal = false
  /// Whether there is no field so far.
  private(set) var isEmpty = true
  /// The line of the first field.
  private(set) var firstLine = 0

  /// Whether what comes next is no line but a value.
  var isInsideOfValue: Bool { name != nil }

  /// Takes `line`, if it is a field or the name of one; false if it is something else.
  mutating func takeLine(_ line: ArraySlice<UInt8>, at number: Int) -> Bool {
    let end = line.firstIndex(of: UInt8(ascii: "=")) ?? line.endIndex
    guard end > line.startIndex, line[..<end].allSatisfy({ $0 == UInt8(ascii: "_") || $0.isDigit || ($0 >= 0x41 && $0 <= 0x5A) })
    else { return false }
    if isEmpty { firstLine = number }
    isEmpty = false
    let name = String(decoding: line[..<end], as: UTF8.self)
    if end < line.endIndex { take(name, String(decoding: line[(end + 1)...], as: UTF8.self)) } else { self.name = name }
    return true
  }

  /// Takes the value that begins at `start`; returns where it ends, or nil if it is not all there.
  mutating func takeValue(_ bytes: Span<UInt8>, from start: Int) -> Int? {
    guard bytes.count - start >= 8, let name else { return nil }
    var count: UInt64 = 0
    for index in (0..<8).reversed() { count = count << 8 | UInt64(bytes[start + index]) }
    guard count <= Self.valueBytesMax else {
      error = error ?? LogLineError(column: 1, message: "value of \(count) bytes, expected at most \(Self.valueBytesMax)")
      self.name = nil
      return start + 8
    }
    let end = start + 8 + Int(count)
    if bytes.count <= end { return nil }
    var value: [UInt8] = []
    for at in start + 8..<end { value.append(bytes[at]) }
    take(name, String(decoding: value, as: UTF8.self))
    self.name = nil
    return end + 1
  }

  /// Takes a field.
  mutating func take(_ name: String, _ value: String) {
    isEmpty = false
    if name == "MESSAGE" {
      message = value
      isOfJournal = true
    }
    guard name.hasPrefix("BUSGATE_") else { return }
    let key = String(name.dropFirst(8).lowercased().map { $0 == "_" ? "-" : $0 })
    if key == "event" { event = value }
    do throws(LogLineError) { try builder.take(key, value, at: 1) } catch { self.error = self.error ?? error }
  }

  /// The decision that the entry tells; nil if it tells something else.
  func decision() throws(LogLineError) -> LoggedDecision? {
    if let error, event == "decision" || event == nil { throw error }
    if let event { return event == "decision" ? try builder.decision(at: 1) : nil }
    guard let message else {
      throw LogLineError(column: 1, message: "no line of the log, expected one, or a journal entry with a MESSAGE")
    }
    do throws(LogLineError) {
      return try LogLine.decision(Array(message.utf8)[...])
    } catch {
      // What does not even begin like a line of the log is of another program.
      if error.column == 1 { return nil }
      throw error
    }
  }
}
