// A fuzzer's input, taken from the front as numbers and bytes.

/// Takes numbers off the front of a fuzzer's input; 0 where there are none left.
struct Bytes {
  private(set) var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isEmpty: Bool { rest.isEmpty }

  mutating func byte() -> Int { Int(rest.popFirst() ?? 0) }

  mutating func number() -> Int { byte() << 8 | byte() }

  /// So many bytes, or what is left.
  mutating func take(_ count: Int) -> [UInt8] {
    let taken = Array(rest.prefix(count))
    rest = rest.dropFirst(count)
    return taken
  }
}
