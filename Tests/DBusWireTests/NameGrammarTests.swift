// The grammars of names against slow ones, which are the specification's sentences one by one.

import DBusWire
import Testing

/// The specification's words, without any cleverness.
private enum Naive {
  static func isLetter(_ c: UInt8) -> Bool { c >= 0x41 && c <= 0x5A || c >= 0x61 && c <= 0x7A }
  static func isDigit(_ c: UInt8) -> Bool { c >= 0x30 && c <= 0x39 }

  static func isObjectPath(_ text: [UInt8]) -> Bool {
    if text == [0x2F] { return true }
    guard text.first == 0x2F else { return false }
    let elements = text.dropFirst().split(separator: 0x2F, omittingEmptySubsequences: false)
    return elements.allSatisfy { !$0.isEmpty && $0.allSatisfy { isLetter($0) || isDigit($0) || $0 == 0x5F } }
  }

  static func isDotted(_ text: [UInt8], hyphen: Bool, leadingDigit: Bool) -> Bool {
    let elements = text.split(separator: 0x2E, omittingEmptySubsequences: false)
    return elements.count >= 2
      && elements.allSatisfy { element in
        guard let first = element.first, leadingDigit || !isDigit(first) else { return false }
        return element.allSatisfy { isLetter($0) || isDigit($0) || $0 == 0x5F || hyphen && $0 == 0x2D }
      }
  }

  static func isInterface(_ text: [UInt8]) -> Bool {
    text.count <= 255 && isDotted(text, hyphen: false, leadingDigit: false)
  }

  static func isMember(_ text: [UInt8]) -> Bool {
    guard let first = text.first, !isDigit(first), text.count <= 255 else { return false }
    return text.allSatisfy { isLetter($0) || isDigit($0) || $0 == 0x5F }
  }

  static func isUniqueName(_ text: [UInt8]) -> Bool {
    text.count <= 255 && text.first == 0x3A && isDotted(Array(text.dropFirst()), hyphen: true, leadingDigit: true)
  }

  static func isBusName(_ text: [UInt8]) -> Bool {
    isUniqueName(text) || text.count <= 255 && isDotted(text, hyphen: true, leadingDigit: false)
  }
}

@Suite("grammars of names")
struct NameGrammarTests {
  /// The names of the grammars on which the two disagree about `count` bytes from `offset`.
  private static func disagreements(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> [String] {
    let text = Array(bytes[offset..<offset + count]), span = bytes.span.bytes.extracting(offset..<offset + count)
    var names: [String] = []
    if NameGrammar.isObjectPath(span) != Naive.isObjectPath(text) { names.append("path") }
    if NameGrammar.isInterface(span) != Naive.isInterface(text) { names.append("interface") }
    if NameGrammar.isErrorName(span) != Naive.isInterface(text) { names.append("error name") }
    if NameGrammar.isMember(span) != Naive.isMember(text) { names.append("member") }
    if NameGrammar.isBusName(span) != Naive.isBusName(text) { names.append("bus name") }
    if NameGrammar.isUniqueName(span) != Naive.isUniqueName(text) { names.append("unique name") }
    return names
  }

  @Test("every byte is judged as the specification says, at every place of a name")
  func everyByte() {
    let names = [
      "/ab/c_9/Def/ghij", "/", "a.b", "org.freedesktop.DBus", "Member_Name_9", ":1.42", ":a-b.9", "a-b.c-d", "a", "aaaaaaaa.b",
    ]
    for name in names {
      for offset in 0..<name.utf8.count {
        for byte in UInt8.min...UInt8.max {
          var text = Array(name.utf8)
          text[offset] = byte
          #expect(Self.disagreements(text, 0, text.count) == [], "\(text)")
        }
      }
    }
  }

  @Test("all strings of up to five bytes of an alphabet of each sort are judged as the specification says")
  func exhaustive() {
    let alphabet = Array("a9./:-_ ".utf8)
    for count in 0...5 {
      var total = 1
      for _ in 0..<count { total *= alphabet.count }
      for number in 0..<total {
        var text: [UInt8] = [], rest = number
        for _ in 0..<count {
          text.append(alphabet[rest % alphabet.count])
          rest /= alphabet.count
        }
        let disagreements = Self.disagreements(text, 0, count)
        if !disagreements.isEmpty { Issue.record("\(String(decoding: text, as: UTF8.self)): \(disagreements)") }
      }
    }
  }

  @Test("random strings of up to 40 bytes at any offset are judged as the specification says", arguments: [1, 2, 3] as [UInt64])
  func random(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let alphabet = Array("aZ_q09b.c/".utf8), rare = Array(":-\u{0}\u{7F} @[`{/.".utf8) + [0x80, 0xAE, 0xAF, 0xE1, 0xFF]
    for _ in 0..<30_000 {
      let offset = Int.random(in: 0...15, using: &generator), count = Int.random(in: 0...40, using: &generator)
      var bytes: [UInt8] = []
      for _ in 0..<offset + count + Int.random(in: 0...9, using: &generator) {
        let letters = Int.random(in: 0..<60, using: &generator) == 0 ? rare : alphabet
        bytes.append(letters[Int.random(in: 0..<letters.count, using: &generator)])
      }
      if count > 0, let first = [0x2F, 0x3A, 0x61, bytes[offset]].randomElement(using: &generator) { bytes[offset] = first }
      let disagreements = Self.disagreements(bytes, offset, count)
      if !disagreements.isEmpty { Issue.record("\(bytes[offset..<offset + count]): \(disagreements)") }
    }
  }

  @Test("names of 255 bytes are legal and of 256 are not, at any offset")
  func lengths() {
    for offset in 0...8 {
      for count in 250...260 {
        var bytes = [UInt8](repeating: 0x61, count: offset + count)
        #expect(Self.disagreements(bytes, offset, count) == [])
        bytes[offset + 100] = 0x2E
        #expect(Self.disagreements(bytes, offset, count) == [])
        bytes[offset] = 0x3A
        #expect(Self.disagreements(bytes, offset, count) == [])
      }
    }
  }
}
