// Signatures: the grammar against libdbus's and GLib's.

import CDBus
import CGLib
import DBusWire
import Testing

@Suite("signatures, as libdbus and GLib read them", .serialized)
struct SignatureOracleTests {
  private func compare(_ bytes: [UInt8], _ findings: inout Findings) {
    findings.compare()
    let ours = Signature.isSignature(bytes.span.bytes), single = Signature.isSingleCompleteType(bytes.span.bytes)
    let libdbus = withCString(bytes) { dbus_signature_validate($0, nil) != 0 }
    let libdbusSingle = withCString(bytes) { dbus_signature_validate_single($0, nil) != 0 }
    let glib = withCString(bytes) { g_variant_is_signature($0) != 0 }
    if ours != libdbus || single != libdbusSingle {
      if !ours && libdbus && Self.nesting(bytes).arrays > Signature.nestingMax {
        findings.count(.arraysInStructs)
      } else {
        findings.tell("signature \(ours) single \(single), libdbus \(libdbus) \(libdbusSingle)", bytes)
      }
    }
    if ours != glib {
      if let known = ours ? nil : Self.whatGLibTakes(bytes) {
        findings.count(known)
      } else {
        findings.tell("signature \(ours), GLib \(glib)", bytes)
      }
    }
  }

  /// The most arrays and structs that are open at any place of what is a signature but for that.
  private static func nesting(_ bytes: [UInt8]) -> (arrays: Int, structs: Int) {
    // The arrays that are open outside of each struct or dict entry, and in the innermost.
    var outer: [Int] = [], arrays = 0, most = (arrays: 0, structs: 0)
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "a"): arrays += 1
      case UInt8(ascii: "("), UInt8(ascii: "{"): outer.append(arrays)
      default:
        if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "}"), !outer.isEmpty { outer.removeLast() }
        arrays = outer.last ?? 0
      }
      most = (max(most.arrays, arrays), max(most.structs, outer.count))
    }
    return most
  }

  /// Which of GVariant's own liberties make this a signature to GLib; nil if none does.
  private static func whatGLibTakes(_ bytes: [UInt8]) -> Disagreement? {
    var text: [UInt8] = [], known: Disagreement? = bytes.count > Signature.byteCountMax ? .longSignature : nil
    for byte in bytes {
      if byte == UInt8(ascii: ")"), text.last == UInt8(ascii: "(") {
        known = .emptyStruct
        text[text.count - 1] = UInt8(ascii: "y")
        continue
      }
      if byte == UInt8(ascii: "{"), text.last != UInt8(ascii: "a") {
        known = .looseDictEntry
        text.append(UInt8(ascii: "a"))
      }
      text.append(byte)
    }
    let (arrays, structs) = nesting(text)
    if arrays > Signature.nestingMax || structs > Signature.nestingMax { return .deepSignature }
    // With each of them written as what it stands for, it has to be a signature; it may be longer than one then.
    return text.count > Signature.byteCountMax || Signature.isSignature(text.span.bytes) ? known : nil
  }

  @Test("random texts are signatures to all of them or to none")
  func random() {
    let pieces = [
      "y", "s", "v", "a", "a", "(", ")", "a{", "}", "{", "a{sv}", "(ii)", "h", "ybnqiuxtdog", "r", "e", "m", "?",
      String(repeating: "a", count: 15), String(repeating: "(", count: 15), "))))))))))", "(a",
      String(repeating: "y", count: 100),
    ]
    var texts = TextGenerator(purpose: 20, pieces: pieces, piecesMax: 9), findings = Findings()
    for _ in 0..<OracleRun.count(1_500_000) { compare(texts.next(), &findings) }
    findings.finish("signatures", expected: [.emptyStruct, .looseDictEntry, .longSignature])
  }

  @Test("deep ones, and those as long as they may be, are judged alike but for arrays inside structs")
  func deep() {
    var generator = SeededGenerator(purpose: 21), findings = Findings()
    for _ in 0..<OracleRun.count(200_000) {
      var text: [UInt8] = [], closers: [UInt8] = []
      for _ in 0..<(20 + generator.below(50)) {
        switch generator.below(4) {
        case 0:
          text += Array("a{s".utf8)
          closers.append(UInt8(ascii: "}"))
        case 1:
          text.append(UInt8(ascii: "("))
          closers.append(UInt8(ascii: ")"))
        default: text.append(UInt8(ascii: "a"))
        }
      }
      text.append(UInt8(ascii: "y"))
      text += closers.reversed()
      if generator.oneIn(10) {
        text += [UInt8](repeating: UInt8(ascii: "u"), count: max(0, 250 + generator.below(10) - text.count))
      }
      compare(text, &findings)
    }
    findings.finish("deep signatures", expected: [.arraysInStructs, .deepSignature])
  }
}
