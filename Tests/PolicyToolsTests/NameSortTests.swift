import DBusWire
import Testing

@testable import PolicyTools

@Suite("the grammars that are walked through are those of the wire")
struct NameSortTests {
  /// What NameGrammar says.
  private static func isLegal(_ name: [UInt8], _ sort: NameSort) -> Bool {
    let bytes = name.span.bytes
    return switch sort {
    case .interface: NameGrammar.isInterface(bytes)
    case .path: NameGrammar.isObjectPath(bytes)
    case .member: NameGrammar.isMember(bytes)
    case .name: NameGrammar.isBusName(bytes) && name.first != UInt8(ascii: ":")
    }
  }

  @Test("on all short texts of telling bytes", arguments: NameSort.allCases)
  func short(sort: NameSort) {
    var legal = 0
    for name in texts(over: Array("aZ_7./-*\u{80}".utf8), upTo: 5) {
      let isLegal = Self.isLegal(name, sort)
      #expect(sort.isLegal(name) == isLegal, "\(name)")
      legal += isLegal ? 1 : 0
    }
    #expect(legal > 20)
  }

  @Test("on single bytes after a letter", arguments: NameSort.allCases)
  func bytes(sort: NameSort) {
    let beginning = Array((sort == .path ? "/a" : sort == .member ? "a" : "a.a").utf8)
    for byte in UInt8.min...UInt8.max {
      let name = beginning + [byte]
      #expect(sort.isLegal(name) == Self.isLegal(name, sort), "\(byte)")
      #expect(!sort.isLegal(name) || sort.alphabet.contains(byte))
    }
  }

  @Test("on names of 255 and 256 bytes", arguments: NameSort.allCases)
  func long(sort: NameSort) {
    for count in [255, 256] {
      let beginning = Array((sort == .path ? "/" : sort == .member ? "" : "a.a").utf8)
      let name = beginning + Array(repeating: UInt8(ascii: "a"), count: count - beginning.count)
      #expect(sort.isLegal(name) == Self.isLegal(name, sort))
      #expect(sort.isLegal(name) == (count == 255 || sort == .path))
    }
  }
}
