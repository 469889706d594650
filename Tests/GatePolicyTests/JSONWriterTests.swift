import Testing

@testable import GatePolicy

@Suite("JSON writer")
struct JSONWriterTests {
  private func text(_ body: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    body(&writer)
    return String(decoding: writer.text, as: UTF8.self)
  }

  @Test("members and elements are separated by commas, at every depth")
  func structure() {
    let written = text { json in
      json.object { json in
        json.member("a", 1)
        json.key("b")
        json.array { json in
          json.value(2)
          json.object { _ in }
          json.array { _ in }
          json.value(true)
          json.null()
        }
        json.member("c", "x")
        json.member("d", false)
      }
    }
    #expect(written == #"{"a":1,"b":[2,{},[],true,null],"c":"x","d":false}"#)
  }

  @Test(
    "a string is escaped where it must be",
    arguments: [
      ("", #""""#), ("plain", #""plain""#), (#"a"b\c"#, #""a\"b\\c""#), ("\n\r\t", #""\n\r\t""#),
      ("\u{0}\u{1}\u{1F}", #""\u0000\u0001\u001f""#), ("\u{7F}\u{9B}", #""\u007f\u009b""#),
      ("\u{2028}\u{202E}\u{2066}", #""\u2028\u202e\u2066""#), ("ü€😀", #""ü€😀""#), ("a/b", #""a/b""#),
    ])
  func strings(_ string: String, _ expected: String) {
    #expect(text { $0.value(string) } == expected)
    #expect(text { $0.value(utf8: Array(string.utf8)) } == expected)
  }

  @Test("every control character is escaped, so that a text stays one line")
  func controls() {
    for value: UInt32 in Array(0..<0x20) + Array(0x7F..<0xA0) {
      let written = text { $0.value(String(Unicode.Scalar(value)!)) }
      #expect(written.unicodeScalars.allSatisfy { (0x20..<0x7F).contains($0.value) }, "U+\(String(value, radix: 16))")
    }
  }

  @Test(
    "what is not UTF-8 becomes U+FFFD, and nothing that follows is swallowed",
    arguments: [
      ([0xFF, 0x61], "\"\u{FFFD}a\""), ([0xC3], "\"\u{FFFD}\""), ([0xC3, 0x22], "\"\u{FFFD}\\\"\""),
      ([0xED, 0xA0, 0x80], "\"\u{FFFD}\u{FFFD}\u{FFFD}\""), ([0xC0, 0xAF], "\"\u{FFFD}\u{FFFD}\""),
      ([0xF0, 0x9F, 0x98, 0x5C], "\"\u{FFFD}\\\\\""),
    ] as [([UInt8], String)])
  func invalid(_ bytes: [UInt8], _ expected: String) {
    #expect(text { $0.value(utf8: bytes) } == expected)
  }

  @Test("the largest and the smallest numbers are written in full")
  func numbers() {
    #expect(text { $0.value(UInt64.max) } == "18446744073709551615")
    #expect(text { $0.value(Int64.min) } == "-9223372036854775808")
  }

  @Test("a key that is no constant is escaped too")
  func keys() {
    let written = text { json in
      json.object { json in
        json.key("a\"b")
        json.value(1)
        json.member("c", 2)
      }
    }
    #expect(written == #"{"a\"b":1,"c":2}"#)
  }

  @Test("lines are texts of their own")
  func lines() {
    let written = text { json in
      json.object { $0.member("a", 1) }
      json.endLine()
      json.object { $0.member("b", 2) }
      json.endLine()
    }
    #expect(written == "{\"a\":1}\n{\"b\":2}\n")
  }
}
