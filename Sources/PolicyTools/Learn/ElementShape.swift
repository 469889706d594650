// What elements of a path look like that name things of one sort: numbers at the end of the same words, or hexadecimal digits in
// the same places. Used by PathTree.

/// A shape of a path element: its parts between `_`, the variable ones without what varies.
struct ElementShape: Hashable {
  /// A part of an element.
  fileprivate enum Part: Hashable {
    case fixed(ArraySlice<UInt8>)
    /// A word, maybe none, and a number, maybe a hexadecimal one.
    case numbered(ArraySlice<UInt8>)
    /// So many hexadecimal digits.
    case hexadecimal(Int)
  }

  private let parts: [Part]

  private init(_ parts: [Part]) { self.parts = parts }

  /// The shapes that `element` may have, none if it looks like a word.
  static func shapes(of element: [UInt8]) -> [ElementShape] {
    guard element.contains(where: \.isDigit) else { return [] }
    let parts = element.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false)
    let numbered = parts.map(numbered)
    let hexadecimal = parts.map(hexadecimal)
    var shapes: [ElementShape] = []
    if numbered.contains(where: \.isVariable) { shapes.append(ElementShape(numbered)) }
    if hexadecimal.reduce(0, { $0 + $1.digitCount }) >= hexadecimalMin { shapes.append(ElementShape(hexadecimal)) }
    return shapes
  }

  /// Hexadecimal digits that an element needs to be taken for an address or the like. Untuned.
  private static let hexadecimalMin = 6

  private static func numbered(_ part: ArraySlice<UInt8>) -> Part {
    let word = part.prefix { !$0.isDigit }
    let digits = part[word.endIndex...]
    return !digits.isEmpty && digits.allSatisfy(\.isHexadecimal) ? .numbered(word) : .fixed(part)
  }

  private static func hexadecimal(_ part: ArraySlice<UInt8>) -> Part {
    part.count >= 2 && part.allSatisfy(\.isHexadecimal) ? .hexadecimal(part.count) : .fixed(part)
  }

  /// The pattern for all of `elements`, two or more that have this shape: a `*` from the first part that differs to the last.
  func pattern(of elements: [[UInt8]]) -> [UInt8] {
    let all = elements.map { $0.split(separator: UInt8(ascii: "_"), omittingEmptySubsequences: false) }
    let differing = parts.indices.filter { index in all.contains { $0[index] != all[0][index] } }
    guard let first = differing.first, let last = differing.last else { preconditionFailure("elements are different") }
    var pattern: [UInt8] = []
    for part in all[0][..<first] { pattern += part + [UInt8(ascii: "_")] }
    if case .numbered(let word) = parts[first] { pattern += word }
    pattern.append(UInt8(ascii: "*"))
    for part in all[0][(last + 1)...] { pattern += [UInt8(ascii: "_")] + part }
    return pattern
  }
}

extension ElementShape.Part {
  fileprivate var isVariable: Bool {
    switch self {
    case .fixed: false
    case .numbered, .hexadecimal: true
    }
  }

  fileprivate var digitCount: Int { if case .hexadecimal(let count) = self { count } else { 0 } }
}

extension UInt8 {
  fileprivate var isHexadecimal: Bool {
    isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self) || (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(self)
  }
}
