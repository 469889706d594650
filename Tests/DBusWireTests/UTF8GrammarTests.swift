// UTF-8 against the standard library's own validation.

import DBusWire
import Testing

@Suite("UTF-8")
struct UTF8GrammarTests {
  // Expectations can't have spans in their operands.
  private static func isString(_ bytes: [UInt8]) -> Bool { UTF8Grammar.isValid(bytes.span.bytes) }

  private static func isValid(_ bytes: [UInt8]) -> Bool {
    !bytes.contains(0) && String(validating: bytes, as: Unicode.UTF8.self) != nil
  }

  @Test("all sequences of one and two bytes are judged as Swift judges them")
  func short() {
    #expect(Self.isString([UInt8]()))
    for first in UInt8.min...UInt8.max {
      #expect(Self.isString([first]) == Self.isValid([first]))
      for second in UInt8.min...UInt8.max where Self.isString([first, second]) != Self.isValid([first, second]) {
        Issue.record("\(first) \(second)")
      }
    }
  }

  @Test("all sequences of three bytes are judged as Swift judges them")
  func three() {
    // First bytes that behave alike are tried once; all second and third bytes are.
    for first in [0x41, 0x7F, 0x80, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF] as [UInt8] {
      for second in UInt8.min...UInt8.max {
        for third in UInt8.min...UInt8.max {
          let bytes = [first, second, third]
          if Self.isString(bytes) != Self.isValid(bytes) { Issue.record("\(bytes)") }
        }
      }
    }
  }

  @Test("the ends of each range of scalars are judged as Swift judges them, at any offset of a string")
  func scalars() {
    let sequences: [[UInt8]] = [
      [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80], [0xF4, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x90, 0x80],
      [0xED, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBE], [0xEF, 0xB7, 0x90],
      [0xE2, 0x82],
      [0xC0, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0], [0x80], [0xF3, 0x80, 0x80, 0xC0], [0xF3, 0x80, 0xC0, 0x80],
    ]
    for sequence in sequences {
      for before in 0...16 {
        for after in [0, 1, 7, 8, 9] {
          let bytes = [UInt8](repeating: 0x61, count: before) + sequence + [UInt8](repeating: 0x7A, count: after)
          #expect(Self.isString(bytes) == Self.isValid(bytes), "\(bytes)")
        }
      }
    }
  }

  @Test("random strings, some of them broken, are judged as Swift judges them", arguments: [4, 5] as [UInt64])
  func random(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var valid = 0
    for _ in 0..<20_000 {
      var scalars = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 0...20, using: &generator) {
        let limit: UInt32 = [0x80, 0x80, 0x800, 0x10000, 0x110000][Int.random(in: 0..<5, using: &generator)]
        if let scalar = Unicode.Scalar(UInt32.random(in: 1..<limit, using: &generator)) { scalars.append(scalar) }
      }
      var bytes = Array(String(scalars).utf8)
      if !bytes.isEmpty, Bool.random(using: &generator) {
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      let isValid = Self.isValid(bytes)
      valid += isValid ? 1 : 0
      if Self.isString(bytes) != isValid { Issue.record("\(bytes)") }
    }
    #expect(valid > 5_000 && valid < 19_000)
  }
}
