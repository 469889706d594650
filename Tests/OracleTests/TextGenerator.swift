// Texts without NUL, which C functions can be given: pieces of real ones in any order, and bytes changed.

import CDBus
import CGLib

/// Makes texts out of pieces.
struct TextGenerator {
  var generator: SeededGenerator
  let pieces: [[UInt8]]
  let piecesMax: Int

  init(purpose: UInt64, pieces: [String], piecesMax: Int) {
    generator = SeededGenerator(purpose: purpose)
    self.pieces = pieces.map { Array($0.utf8) }
    self.piecesMax = piecesMax
  }

  mutating func next() -> [UInt8] {
    var text: [UInt8] = []
    for _ in 0..<generator.below(piecesMax + 1) { text += generator.pick(pieces) }
    while generator.oneIn(8), !text.isEmpty {
      let place = generator.below(text.count)
      switch generator.below(3) {
      case 0: text[place] = UInt8(1 + generator.below(255))
      case 1: text.remove(at: place)
      default: text.insert(text[generator.below(text.count)], at: place)
      }
    }
    return text
  }
}

/// The bytes as a C string, for as long as `body` runs. Precondition: there is no NUL in them.
func withCString<Result>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
  (bytes + [0]).withUnsafeBytes { body($0.bindMemory(to: CChar.self).baseAddress!) }
}
