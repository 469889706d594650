// Paths, names and strings: the grammars against libdbus's and GLib's.

import CDBus
import CGLib
import DBusWire
import Testing

/// One grammar, by three implementations.
private struct Grammar: Sendable {
  var name: String
  var ours: @Sendable (RawSpan) -> Bool
  var libdbus: (@Sendable (UnsafePointer<CChar>) -> Bool)?
  var glib: (@Sendable (UnsafePointer<CChar>) -> Bool)?
}

/// Whether it is a unique name but for its elements: there is one or none, or the first is empty.
func lacksElements(_ bytes: ArraySlice<UInt8>) -> Bool {
  guard bytes.first == UInt8(ascii: ":"), bytes.count <= NameGrammar.nameByteCountMax else { return false }
  let name = bytes.dropFirst(), beginsWithDot = name.first == UInt8(ascii: ".")
  if name.isEmpty { return true }
  let rest = beginsWithDot ? name.dropFirst() : name
  let isElement =
    !rest.isEmpty
    && rest.allSatisfy { byte in
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
      default: false
      }
    }
  let withoutDot = [UInt8(ascii: ":")] + rest
  return isElement || beginsWithDot && NameGrammar.isUniqueName(withoutDot.span.bytes)
}

@Suite("names and paths, as libdbus and GLib read them", .serialized)
struct NameOracleTests {
  private static let grammars = [
    Grammar(
      name: "object path", ours: { NameGrammar.isObjectPath($0) }, libdbus: { dbus_validate_path($0, nil) != 0 },
      glib: { g_variant_is_object_path($0) != 0 }),
    Grammar(
      name: "interface", ours: { NameGrammar.isInterface($0) }, libdbus: { dbus_validate_interface($0, nil) != 0 },
      glib: { g_dbus_is_interface_name($0) != 0 }),
    Grammar(
      name: "member", ours: { NameGrammar.isMember($0) }, libdbus: { dbus_validate_member($0, nil) != 0 },
      glib: { g_dbus_is_member_name($0) != 0 }),
    Grammar(
      name: "error name", ours: { NameGrammar.isErrorName($0) }, libdbus: { dbus_validate_error_name($0, nil) != 0 },
      glib: { g_dbus_is_error_name($0) != 0 }),
    Grammar(
      name: "bus name", ours: { NameGrammar.isBusName($0) }, libdbus: { dbus_validate_bus_name($0, nil) != 0 },
      glib: { g_dbus_is_name($0) != 0 }),
    Grammar(name: "unique name", ours: { NameGrammar.isUniqueName($0) }, glib: { g_dbus_is_unique_name($0) != 0 }),
  ]

  private func compare(_ bytes: [UInt8], _ findings: inout Findings) {
    for grammar in Self.grammars {
      findings.compare()
      let ours = grammar.ours(bytes.span.bytes)
      if let libdbus = grammar.libdbus, withCString(bytes, libdbus) != ours {
        if !ours && grammar.name == "bus name" && lacksElements(bytes[...]) {
          findings.count(.uniqueNameElements)
        } else {
          findings.tell("\(ours ? "is" : "is no") \(grammar.name), libdbus says the opposite", bytes)
        }
      }
      if let glib = grammar.glib, withCString(bytes, glib) != ours {
        if !ours && (grammar.name == "bus name" || grammar.name == "unique name") && lacksElements(bytes[...]) {
          findings.count(.uniqueNameElements)
        } else if !ours && grammar.name == "member" && bytes.count > NameGrammar.nameByteCountMax {
          findings.count(.longMember)
        } else {
          findings.tell("\(ours ? "is" : "is no") \(grammar.name), GLib says the opposite", bytes)
        }
      }
    }
  }

  @Test("random texts are names to all of them or to none")
  func random() {
    let pieces = [
      "a", "B", "_", "-", ".", ".", "/", "/", ":", "1", "com", "org.example", "/com/example", "\u{E9}", " ", "@", "[", "`", "{",
      "^",
      String(repeating: "x", count: 120), String(repeating: "a.", count: 61),
    ]
    var texts = TextGenerator(purpose: 10, pieces: pieces, piecesMax: 7), findings = Findings()
    for _ in 0..<OracleRun.count(1_000_000) { compare(texts.next(), &findings) }
    findings.finish("names and paths", expected: [.uniqueNameElements])
  }

  @Test("all texts of up to five of eight bytes are names to all of them or to none")
  func exhaustive() {
    let alphabet = Array("aZ_-./:1".utf8)
    var findings = Findings()
    for count in 0...5 {
      var total = 1
      for _ in 0..<count { total *= alphabet.count }
      for number in 0..<total {
        var text: [UInt8] = [], rest = number
        for _ in 0..<count {
          text.append(alphabet[rest % alphabet.count])
          rest /= alphabet.count
        }
        compare(text, &findings)
      }
    }
    findings.finish("names and paths, exhaustively")
  }

  @Test("every byte at every place of a word is judged as they judge it")
  func everyByte() {
    var findings = Findings()
    let names = ["/abcdefg/abcdefg/a", "abcdefg.abcdefg.ab", "abcdefghijklmnopqr", ":1.2345678.abcdefg"]
    for name in names {
      for place in 0..<name.utf8.count {
        for byte in 1...255 as ClosedRange<UInt8> {
          var text = Array(name.utf8)
          text[place] = byte
          compare(text, &findings)
        }
      }
    }
    for count in 250...260 {
      for prefix in ["a.", "", ":1.", "/"] {
        compare(Array((prefix + String(repeating: "x", count: count - prefix.utf8.count)).utf8), &findings)
      }
    }
    findings.finish("names and paths, every byte at every place", expected: [.uniqueNameElements, .longMember])
  }

  @Test("random bytes are UTF-8 to all of them or to none")
  func utf8() {
    let pieces = ["a", "\u{E9}", "\u{7FF}", "\u{800}", "\u{FFFF}", "\u{D7FF}", "\u{E000}", "\u{10000}", "\u{10FFFF}", "12345678"]
    var texts = TextGenerator(purpose: 11, pieces: pieces, piecesMax: 6), findings = Findings()
    for index in 0..<OracleRun.count(1_000_000) {
      var bytes = texts.next()
      // Two bytes of any lead and tail: what is cut, overlong or a surrogate.
      if index % 2 == 0 {
        bytes.append(UInt8(0x80 + texts.generator.below(128)))
        bytes.append(UInt8(0x70 + texts.generator.below(80)))
        if index % 4 == 0 { bytes.append(UInt8(0x80 + texts.generator.below(64))) }
      }
      findings.compare()
      let ours = UTF8Grammar.isValid(bytes.span.bytes)
      if withCString(bytes, { dbus_validate_utf8($0, nil) != 0 }) != ours { findings.tell("libdbus: \(!ours)", bytes) }
      if withCString(bytes, { g_utf8_validate($0, gssize(bytes.count), nil) != 0 }) != ours {
        findings.tell("GLib: \(!ours)", bytes)
      }
    }
    findings.finish("UTF-8")
  }
}
