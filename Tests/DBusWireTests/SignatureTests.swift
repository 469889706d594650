// The grammar of signatures against one that is written as the specification's words.

import DBusWire
import Testing

/// The specification's grammar as a function from a signature to what is left behind its first complete type.
private enum Naive {
  static let basic = Set("ybnqiuxtdhsog")

  static func afterType(_ text: Substring, arrays: Int = 0, structs: Int = 0) -> Substring? {
    guard let first = text.first else { return nil }
    let rest = text.dropFirst()
    if basic.contains(first) || first == "v" { return rest }
    if first == "a" {
      if arrays == 32 { return nil }
      guard rest.first == "{" else { return afterType(rest, arrays: arrays + 1, structs: structs) }
      guard let key = rest.dropFirst().first, basic.contains(key),
        let end = afterType(rest.dropFirst(2), arrays: arrays + 1, structs: structs), end.first == "}"
      else { return nil }
      return end.dropFirst()
    }
    if first == "(" {
      if structs == 32 { return nil }
      var fields = 0, rest = rest
      while rest.first != ")" {
        guard let next = afterType(rest, arrays: arrays, structs: structs + 1) else { return nil }
        (fields, rest) = (fields + 1, next)
      }
      return fields == 0 ? nil : rest.dropFirst()
    }
    return nil
  }

  /// How many complete types `text` is, or nil.
  static func types(_ text: String) -> Int? {
    if text.utf8.count > 255 { return nil }
    var rest = text[...], count = 0
    while !rest.isEmpty {
      guard let next = afterType(rest) else { return nil }
      (count, rest) = (count + 1, next)
    }
    return count
  }
}

@Suite("signatures")
struct SignatureTests {
  // Expectations can't have spans in their operands.
  private static func isSignature(_ bytes: [UInt8]) -> Bool { Signature.isSignature(bytes.span.bytes) }
  private static func isSingle(_ bytes: [UInt8]) -> Bool { Signature.isSingleCompleteType(bytes.span.bytes) }

  private static func agrees(_ text: String) -> Bool {
    let bytes = Array(text.utf8), types = Naive.types(text)
    return Signature.isSignature(bytes.span.bytes) == (types != nil)
      && Signature.isSingleCompleteType(bytes.span.bytes) == (types == 1)
  }

  @Test(
    "signatures are legal",
    arguments: [
      "", "y", "s", "v", "aay", "a{sv}", "a{oa{sa{sv}}}", "(i)", "(ii)", "a(yv)", "((((v))))", "a{ya{y(av)}}", "sss",
      "a{sv}as(h)",
      "ybnqiuxtdhsogv",
    ])
  func legal(text: String) { #expect(Self.isSignature(Array(text.utf8))) }

  @Test(
    "what is no signature is refused",
    arguments: [
      "a", "aa", "(", ")", "()", "a()", "{sv}", "a{}", "a{s}", "a{svv}", "a{vs}", "a{(s)s}", "a{ass}", "(s", "s)", "a{sv", "a{s)",
      "(s}",
      "({sv})", "r", "e", "z", "m", "*", "?", "@", "&", " ", "s s", "S", "c", "f", "w", "aaa)", "(a)", "a{a}", "{", "}", "p",
      "\u{E9}",
    ])
  func illegal(text: String) { #expect(!Self.isSignature(Array(text.utf8))) }

  @Test("all strings of up to six codes are judged as the specification says")
  func exhaustive() {
    let alphabet = Array("sva(){}")
    for count in 0...6 {
      var total = 1
      for _ in 0..<count { total *= alphabet.count }
      for number in 0..<total {
        var text = "", rest = number
        for _ in 0..<count {
          text.append(alphabet[rest % alphabet.count])
          rest /= alphabet.count
        }
        if !Self.agrees(text) { Issue.record("\(text)") }
      }
    }
  }

  @Test("every byte alone is judged as the specification says")
  func everyByte() {
    for byte in UInt8.min...UInt8.max {
      let isType = Naive.basic.union(["v"]).contains(Character(Unicode.Scalar(byte)))
      #expect(Self.isSignature([byte]) == isType)
      #expect(Self.isSingle([byte]) == isType)
    }
  }

  @Test("32 arrays and 32 structs may be nested, not 33, wherever they stand")
  func nesting() {
    func times(_ count: Int, _ text: String) -> String { String(repeating: text, count: count) }
    for count in [31, 32, 33] {
      let cases = [
        times(count, "a") + "y", times(count, "(") + "y" + times(count, ")"), times(count, "(a") + "y" + times(count, ")"),
        times(count, "a(") + "y" + times(count, ")"), times(count, "a{s") + "y" + times(count, "}"),
        times(16, "a") + "(" + times(count - 16, "a") + "y)",
      ]
      for text in cases {
        #expect(Self.isSignature(Array(text.utf8)) == (count <= 32), "\(text)")
        #expect(Self.agrees(text))
        // What is closed doesn't count.
        #expect(Self.agrees(text + text))
      }
    }
    #expect(Self.isSignature(Array((times(32, "a(") + "y" + times(32, ")")).utf8)))
  }

  @Test("a signature has at most 255 bytes")
  func length() {
    for count in 253...258 {
      #expect(Self.isSignature([UInt8](repeating: 0x79, count: count)) == (count <= 255))
    }
    let types = "(" + String(repeating: "y", count: 254) + ")"
    #expect(!Self.isSingle(Array(types.utf8)))
  }
}
