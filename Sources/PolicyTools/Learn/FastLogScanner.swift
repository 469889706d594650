// The quick way through a line of the log: the few values that `learn` asks for are found where they stand, and no text is made of
// any. Only lines just as the sidecar or journalctl writes them, with nothing escaped, are read here; all others are left to
// LogLine, which also says what is wrong with them. A test holds the two together.

import GatePolicy

/// Where the values of a decision stand in a line.
struct FastLogScanner {
  private enum Field: Int, CaseIterable {
    case event, verdict, reason, direction, type, destination, name, about, path, interface, member, gate, count
  }

  private var places = [Range<Int>](repeating: 0..<0, count: Field.allCases.count)

  /// Finds the values in `bytes[line]`; false if it is anything but a plain decision.
  mutating func read(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
    if line.isEmpty { return false }
    for index in places.indices { places[index] = 0..<0 }
    if bytes[line.lowerBound] == UInt8(ascii: "{") {
      guard readJSON(bytes, line), isOne(of: ["decision"], .event, bytes) else { return false }
    } else if !readText(bytes, line) {
      return false
    }
    return isOne(of: ["deny", "audit", "allow", "drop"], .verdict, bytes)
      && isOne(of: ["method_call", "signal", "method_return", "error"], .type, bytes)
      && isOne(of: ["outgoing", "incoming"], .direction, bytes)
  }

  /// Makes `key` that of the decision.
  func make(_ key: inout DecisionKey, of bytes: Span<UInt8>) {
    key.clear()
    for field in [Field.verdict, .reason, .direction, .type] { key.append(bytes, places[field.rawValue]) }
    key.append(destination: bytes, places[Field.destination.rawValue])
    for field in [Field.name, .about, .path, .interface, .member, .gate] { key.append(bytes, places[field.rawValue]) }
  }

  /// For how many messages the line stands; nil if that is no number.
  func count(in bytes: Span<UInt8>) -> Int? {
    let place = places[Field.count.rawValue]
    if place.isEmpty { return 1 }
    if place.count > 15 { return nil }
    var count = 0
    for at in place {
      guard bytes[at].isDigit else { return nil }
      count = count * 10 + Int(bytes[at] - UInt8(ascii: "0"))
    }
    return count <= LoggedDecision.numberMax ? count : nil
  }

  // MARK: Text

  private mutating func readText(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
    // The log has no control characters. LogLine says what is wrong with a line that has.
    for at in line where bytes[at] < 0x20 { return false }
    var at = line.lowerBound
    let verdict = word(bytes, &at, line.upperBound)
    places[Field.verdict.rawValue] = verdict
    _ = word(bytes, &at, line.upperBound)
    while at < line.upperBound {
      let start = at
      while at < line.upperBound, bytes[at] != UInt8(ascii: "="), bytes[at] > 0x20 { at += 1 }
      if at == line.upperBound || bytes[at] != UInt8(ascii: "=") || at == start { return false }
      let field = field(bytes, start..<at)
      at += 1
      if at < line.upperBound, bytes[at] == UInt8(ascii: "\"") { return false }
      let value = word(bytes, &at, line.upperBound)
      if let field {
        if !places[field.rawValue].isEmpty { return false }
        places[field.rawValue] = value
      }
    }
    return true
  }

  /// The bytes up to the next blank, which is passed over.
  private func word(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) -> Range<Int> {
    let start = at
    while at < end, bytes[at] != 0x20 { at += 1 }
    defer { if at < end { at += 1 } }
    return start..<at
  }

  // MARK: JSON

  private mutating func readJSON(_ bytes: Span<UInt8>, _ line: Range<Int>) -> Bool {
    var at = line.lowerBound + 1
    let end = line.upperBound
    while true {
      guard let name = string(bytes, &at, end), at < end, bytes[at] == UInt8(ascii: ":") else { return false }
      at += 1
      let value: Range<Int>
      if at < end, bytes[at] == UInt8(ascii: "\"") {
        guard let text = string(bytes, &at, end) else { return false }
        value = text
      } else {
        let start = at
        while at < end, bytes[at].isDigit { at += 1 }
        if at == start { return false }
        value = start..<at
      }
      if let field = field(bytes, name) {
        if !places[field.rawValue].isEmpty { return false }
        places[field.rawValue] = value
      }
      if at == end { return false }
      if bytes[at] == UInt8(ascii: "}") { return at + 1 == end }
      if bytes[at] != UInt8(ascii: ",") { return false }
      at += 1
    }
  }

  /// A string without escapes, of which the bytes between the quotes are returned.
  private func string(_ bytes: Span<UInt8>, _ at: inout Int, _ end: Int) -> Range<Int>? {
    if at == end || bytes[at] != UInt8(ascii: "\"") { return nil }
    at += 1
    let start = at
    while at < end, bytes[at] != UInt8(ascii: "\"") {
      if bytes[at] == UInt8(ascii: "\\") || bytes[at] < 0x20 { return nil }
      at += 1
    }
    if at == end { return nil }
    at += 1
    return start..<at - 1
  }

  // MARK: Names

  private static let journalPrefix: StaticString = "BUSGATE_"

  private func field(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Field? {
    if name.count > 8, stands(Self.journalPrefix, bytes, name.lowerBound..<name.lowerBound + 8) {
      return field(bytes, name.lowerBound + 8..<name.upperBound, capitals: true)
    }
    return field(bytes, name, capitals: false)
  }

  private func field(_ bytes: Span<UInt8>, _ name: Range<Int>, capitals: Bool) -> Field? {
    func isName(_ text: StaticString) -> Bool { stands(text, bytes, name, foldedBy: capitals ? 0x20 : 0) }
    switch name.count {
    case 4: return isName("path") ? .path : isName("type") ? .type : isName("gate") ? .gate : isName("name") ? .name : nil
    case 5: return isName("event") ? .event : isName("count") ? .count : isName("about") ? .about : nil
    case 6: return isName("member") ? .member : isName("reason") ? .reason : nil
    case 7: return isName("verdict") ? .verdict : nil
    case 9: return isName("interface") ? .interface : isName("direction") ? .direction : nil
    case 11: return isName("destination") ? .destination : nil
    default: return nil
    }
  }

  private func isOne(of words: [StaticString], _ field: Field, _ bytes: Span<UInt8>) -> Bool {
    words.contains { stands($0, bytes, places[field.rawValue]) }
  }

  /// Whether `text` stands at `place`, where each byte first gets the bits of `mask`.
  private func stands(_ text: StaticString, _ bytes: Span<UInt8>, _ place: Range<Int>, foldedBy mask: UInt8 = 0) -> Bool {
    if text.utf8CodeUnitCount != place.count { return false }
    for index in 0..<place.count {
      let wanted = unsafe text.utf8Start[index]  // below the count, as just seen
      if bytes[place.lowerBound + index] | mask != wanted { return false }
    }
    return true
  }
}
