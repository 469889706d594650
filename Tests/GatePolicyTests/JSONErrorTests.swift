import Testing

@testable import GatePolicy

@Suite("what is not JSON is refused where it goes wrong")
struct JSONErrorTests {
  @Test(
    "text",
    arguments: [
      ("", "1:1", "unexpected end of the document, expected an object or an array of objects"),
      (" \n\t ", "2:3", "unexpected end of the document, expected an object or an array of objects"),
      ("x", "1:1", "unexpected \"x\", expected an object or an array of objects"),
      ("\"a\"", "1:1", "document is a string, expected an object or an array of objects"),
      ("12", "1:1", "document is a number, expected an object or an array of objects"),
      ("true", "1:1", "document is a boolean, expected an object or an array of objects"),
      ("null", "1:1", "document is null, expected an object or an array of objects"),
      ("{", "1:2", "unexpected end of the document, expected a key in double quotes"),
      ("{'a':1}", "1:2", "unexpected \"'\", expected a key in double quotes"),
      ("{a:1}", "1:2", "unexpected \"a\", expected a key in double quotes"),
      ("{\"a\"", "1:5", "unexpected end of the document, expected \":\""),
      ("{\"a\" 1}", "1:6", "unexpected \"1\", expected \":\""),
      ("{\"a\":}", "1:6", "unexpected \"}\", expected a value"),
      ("{\"a\":1", "1:7", "unexpected end of the document, expected \",\" or \"}\""),
      ("{\"a\":1 \"b\":2}", "1:8", "unexpected '\"', expected \",\" or \"}\""),
      ("{\"a\":1,}", "1:8", "unexpected \"}\", expected a key in double quotes"),
      ("{,}", "1:2", "unexpected \",\", expected a key in double quotes"),
      ("{\"a\":[1,]}", "1:9", "unexpected \"]\", expected a value"),
      ("{\"a\":[,]}", "1:7", "unexpected \",\", expected a value"),
      ("{\"a\":[1}", "1:8", "unexpected \"}\", expected \",\" or \"]\""),
      ("{\"a\":[1 2]}", "1:9", "unexpected \"2\", expected \",\" or \"]\""),
      ("[", "1:2", "unexpected end of the document, expected a value"),
      ("[{}", "1:4", "unexpected end of the document, expected \",\" or \"]\""),
      ("{} {}", "1:4", "unexpected \"{\", expected the end of the document"),
      ("{}\n\n  x", "3:3", "unexpected \"x\", expected the end of the document"),
      ("{}//", "1:3", "unexpected \"/\", expected the end of the document"),
      ("{} \u{0}", "1:4", "unexpected NUL, expected the end of the document"),
      ("\u{0}", "1:1", "unexpected NUL, expected an object or an array of objects"),
      ("\u{FEFF}{}", "1:1", "byte order mark, expected UTF-8 without one"),
      ("{\u{A0}}", "1:2", "unexpected byte 0xC2, expected a key in double quotes"),
      ("{\u{B}}", "1:2", "unexpected byte 0x0B, expected a key in double quotes"),
      // Words and numbers.
      ("nope", "1:1", "unknown word, expected \"null\""),
      ("thing", "1:1", "unknown word, expected \"true\""),
      ("{\"a\":tru}", "1:6", "unknown word, expected \"true\""),
      ("{\"a\":falsE}", "1:6", "unknown word, expected \"false\""),
      ("{\"a\":nil}", "1:6", "unknown word, expected \"null\""),
      ("{\"a\":truex}", "1:10", "unexpected \"x\", expected \",\" or \"}\""),
      ("{\"a\":NaN}", "1:6", "unexpected \"N\", expected a value"),
      ("{\"a\":+1}", "1:6", "unexpected \"+\", expected a value"),
      ("{\"a\":.5}", "1:6", "unexpected \".\", expected a value"),
      ("{\"a\":-}", "1:7", "unexpected \"}\", expected a digit"),
      ("{\"a\":01}", "1:7", "unexpected \"1\", expected no digit after a leading zero"),
      ("{\"a\":1.}", "1:8", "unexpected \"}\", expected a digit"),
      ("{\"a\":1e}", "1:8", "unexpected \"}\", expected a digit"),
      ("{\"a\":1e+}", "1:9", "unexpected \"}\", expected a digit"),
      ("{\"a\":0x1}", "1:7", "unexpected \"x\", expected \",\" or \"}\""),
      // Strings.
      ("{\"a", "1:4", "unexpected end of the document, expected '\"' at the end of the string"),
      ("{\"a\\", "1:5", "unexpected end of the document, expected the rest of an escape"),
      ("{\"a\u{0}\":1}", "1:4", "unexpected NUL, expected no NUL in a string"),
      ("{\"a\tb\":1}", "1:4", "unexpected byte 0x09, expected control characters as \\u escapes"),
      ("{\"a\nb\":1}", "1:4", "unexpected byte 0x0A, expected control characters as \\u escapes"),
      ("{\"a\\x\":1}", "1:4", "unknown escape, expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u"),
      ("{\"a\\u0000\":1}", "1:4", "NUL as \\u0000, expected no NUL in a string"),
      ("{\"a\\u12\":1}", "1:8", "unexpected '\"', expected four hexadecimal digits after \\u"),
      ("{\"a\\u12G4\":1}", "1:8", "unexpected \"G\", expected four hexadecimal digits after \\u"),
      ("{\"\\ud800\":1}", "1:3", "lone surrogate, expected a surrogate pair"),
      ("{\"\\ud800\\u0041\":1}", "1:3", "lone surrogate, expected a surrogate pair"),
      ("{\"\\ud800\\n\":1}", "1:3", "lone surrogate, expected a surrogate pair"),
      ("{\"\\udc00\":1}", "1:3", "lone surrogate, expected a surrogate pair"),
      ("{\"\\ud800\\ud800\":1}", "1:3", "lone surrogate, expected a surrogate pair"),
      // Keys.
      ("{\"a\":1,\n \"a\":2}", "2:2", "duplicate key \"a\", expected each key once"),
      ("{\"a\":1,\"\\u0061\":2}", "1:8", "duplicate key \"a\", expected each key once"),
      ("{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", "1:19", "duplicate key \"b\", expected each key once"),
      ("{\"\":1,\"\":2}", "1:7", "duplicate key \"\", expected each key once"),
    ])
  func text(text: String, place: String, message: String) {
    #expect(refusal(of: text) == "a.json:\(place): error: \(message)")
  }

  @Test(
    "bytes that are not UTF-8",
    arguments: [
      [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xC3, 0x41], [0xE0, 0x9F, 0xBF], [0xE2, 0x82], [0xE2, 0x82, 0x41],
      [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x98], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
      [0xFE], [0xFF],
    ] as [[UInt8]])
  func invalidUTF8(bytes: [UInt8]) {
    let text = Array("{\"aé".utf8) + bytes + Array("\":1}".utf8)
    #expect(refusal(of: text) == "a.json:1:6: error: invalid UTF-8, expected a character")
    #expect(refusal(of: Array("{\"aé".utf8) + bytes) == "a.json:1:6: error: invalid UTF-8, expected a character")
  }

  @Test("64 levels are read, 65 are not")
  func depth() {
    // The document itself is one level.
    let accepted = "{\"a\":" + String(repeating: "[", count: 63) + String(repeating: "]", count: 63) + "}"
    let refused = "{\"a\":" + String(repeating: "[", count: 64) + String(repeating: "]", count: 64) + "}"
    #expect(refusal(of: accepted) == nil)
    #expect(refusal(of: refused) == "a.json:1:69: error: nested too deep, expected at most 64 levels")
    let hostile = "{\"a\":" + String(repeating: "[", count: 1_000_000)
    #expect(refusal(of: hostile) == "a.json:1:69: error: nested too deep, expected at most 64 levels")
  }

  @Test("16 MiB are read, one byte more is not")
  func size() {
    let space: [UInt8] = Array(repeating: 0x20, count: (16 << 20) - 2)
    #expect(refusal(of: Array("{}".utf8) + space) == nil)
    let tooLarge = "a.json:1:1: error: document of 16777217 bytes, expected at most 16777216"
    #expect(refusal(of: Array("{}".utf8) + space + [0x20]) == tooLarge)
  }

  @Test("every beginning of a document is refused without a trap, and every single byte replaced is survived")
  func cuts() {
    let text = Array(
      """
      [{"dbus-gateway-config-session": [{"direction": "*", "interface": "a\\u00e9\\ud83d\\ude00é", "object-path": "/",
        "method": ["A", "B"], "type": ["signal"], "max-fds": 12, "log": true, "action": "deny"}], "x": [-1.5e+3, null]}]
      """.utf8)
    for count in 0..<text.count { #expect(refusal(of: Array(text[..<count])) != nil) }
    var refused = 0
    for i in text.indices {
      for byte in [0x00, 0x22, 0x5C, 0x7B, 0x5D, 0x2C, 0x30, 0xC3, 0xFF] as [UInt8] {
        var changed = text
        changed[i] = byte
        refused += refusal(of: changed) == nil ? 0 : 1
      }
    }
    #expect(refused > text.count)
  }

  @Test("an object of 100,000 keys is checked for duplicates in linear time")
  func manyKeys() {
    // Quadratic would be 10¹⁰ comparisons: minutes. Nothing here looks at a clock.
    let keys = (0..<100_000).map { "\"key\($0)\":0" }.joined(separator: ",")
    #expect(refusal(of: "{\"a\":{\(keys)}}") == nil)
    #expect(refusal(of: "{\"a\":{\(keys),\"key77\":0}}")?.hasSuffix("duplicate key \"key77\", expected each key once") == true)
  }

  @Test("numbers, words and escapes that JSON has are read")
  func legal() throws {
    let document = try parse(
      " {\"a\" : [0, -0, 1.5, 1e9, -1.25E-7, 1e+2, true, false, null, {}, [], "
        + "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"]}\r\n"
    )
    #expect(document.warnings.map(\.location.column) == [3])
  }
}
