import Testing

@testable import DBusWire

@Suite("bytes of a span")
struct RawSpanTests {
  private func areEqual(_ bytes: [UInt8], _ others: ArraySlice<UInt8>) -> Bool {
    let (span, other) = (bytes.span.bytes, others.span.bytes)
    let answer = span.isEqual(to: other)
    #expect(other.isEqual(to: span) == answer, "whichever is asked")
    return answer
  }

  private func isEqual(_ bytes: [UInt8], _ text: StaticString) -> Bool { bytes.span.bytes.isEqual(to: text) }

  private func starts(_ bytes: [UInt8], with byte: Character) -> Bool { bytes.span.bytes.starts(with: byte.asciiValue!) }

  @Test("are equal if all are, and not if one is another, or one more or less is there")
  func equality() {
    for count in 0..<35 {
      let bytes = (0..<count).map { UInt8($0 + 1) }
      // At another alignment, with other bytes around it.
      let framed = [0xEE] + bytes + [0xEE]
      #expect(areEqual(bytes, framed[1..<count + 1]), "\(count)")
      #expect(!areEqual(bytes, framed[1..<count + 2]) && !areEqual(bytes, framed[0..<count + 1]), "\(count)")
      for index in 0..<count {
        var other = bytes
        other[index] ^= 0x80
        #expect(!areEqual(bytes, other[...]), "byte \(index) of \(count)")
      }
    }
  }

  @Test("are those of a text if all are")
  func text() {
    let texts: [StaticString] = ["", "s", "ab", "GET", "path", "sender", "org.freedesktop.DBus", "é"]
    for (index, text) in texts.enumerated() {
      for (otherIndex, other) in texts.enumerated() {
        #expect(isEqual(Array("\(other)".utf8), text) == (index == otherIndex), "\(text), \(other)")
      }
      let copy = withBytes(of: text) { bytes in bytes.withUnsafeBytes { Array($0) } }
      #expect(copy == Array("\(text)".utf8))
    }
  }

  @Test("start with the first")
  func start() {
    #expect(starts([0x3A, 0x31], with: ":") && !starts([0x3A, 0x31], with: "1"))
    #expect(!starts([], with: "\0"), "none is the first of none")
  }

  @Test("are read from where they are, the first one lowest, up to the last")
  func words() {
    let array = (0..<17).map { UInt8($0) }, bytes = array.span.bytes
    for offset in 0..<17 {
      let byte = bytes.byte(at: offset)
      #expect(byte == offset)
      if offset <= 13 {
        let expected = (0..<4).reduce(0 as UInt32) { $0 | UInt32(offset + $1) << UInt32(8 * $1) }
        let numbers = [bytes.halfWord(at: offset), bytes.uint32(at: offset, .little), bytes.uint32(at: offset, .big)]
        #expect(numbers == [expected, expected, expected.byteSwapped])
      }
      if offset <= 9 {
        let word = bytes.word(at: offset)
        #expect(word == (0..<8).reduce(0) { $0 | UInt64(offset + $1) << UInt64(8 * $1) })
      }
    }
  }

  @Test("before an end make a word that has nothing else, wherever the end is")
  func partialWords() {
    let array = (1...20).map { UInt8($0) }, bytes = array.span.bytes
    for count in 1...7 {
      for end in count...20 {
        let word = bytes.partialWord(before: end, count: count)
        #expect(word == (0..<count).reduce(0) { $0 | UInt64(array[end - count + $1]) << UInt64(8 * $1) })
      }
    }
  }

  @Test("that are outside end the process")
  func outside() async {
    await #expect(processExitsWith: .failure) { _ = ([1, 2, 3] as [UInt8]).span.bytes.byte(at: 3) }
    await #expect(processExitsWith: .failure) { _ = ([1, 2, 3] as [UInt8]).span.bytes.halfWord(at: 0) }
    await #expect(processExitsWith: .failure) { _ = ([1, 2, 3, 4, 5, 6, 7, 8] as [UInt8]).span.bytes.word(at: 1) }
  }
}
