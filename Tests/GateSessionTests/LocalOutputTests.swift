// The queue of what the gate itself says to one peer.

import DBusWire
import Testing

@testable import GateSession

// #expect copies what it is about, which this is not made for.

private final class Queue {
  private var output: LocalOutput
  init(limit: Int) { output = LocalOutput(limit: limit) }
  var count: Int { output.count }
  var isEmpty: Bool { output.isEmpty }
  var hasRoom: Bool { output.hasRoom }
  var uncommittedCount: Int { output.uncommittedCount }
  var bytes: [UInt8] { output.withBytes { Array($0) } }
  func append(_ bytes: [UInt8]) { output.append(bytes.span.bytes) }
  func commit() -> Int { output.commit() }
  func removeFirst(_ count: Int) { output.removeFirst(count) }
}

@Suite("what the gate says itself")
struct LocalOutputTests {
  @Test("bytes leave in the order they came, in any pieces")
  func order() {
    let queue = Queue(limit: 65_536)
    var expected: [UInt8] = []
    var random = Random(seed: 3)
    var next: UInt8 = 0
    for _ in 0..<2000 {
      if random.below(2) == 0 {
        let piece = (0..<random.below(300)).map { _ in
          next &+= 1
          return next
        }
        queue.append(piece)
        expected += piece
      } else {
        let n = Int(random.below(UInt64(expected.count + 1)))
        queue.removeFirst(n)
        expected.removeFirst(n)
      }
      #expect(queue.count == expected.count)
      #expect(queue.isEmpty == expected.isEmpty)
    }
    #expect(queue.bytes == expected)
  }

  @Test("what was given its place is not given another")
  func commit() {
    let queue = Queue(limit: 65_536)
    queue.append(Array("abc".utf8))
    #expect(queue.uncommittedCount == 3)
    #expect(queue.commit() == 3)
    #expect(queue.commit() == 0)
    queue.append(Array("de".utf8))
    #expect(queue.uncommittedCount == 2)
    queue.removeFirst(2)
    #expect(queue.uncommittedCount == 2)
    #expect(queue.commit() == 2)
    queue.removeFirst(3)
    #expect(queue.isEmpty && queue.uncommittedCount == 0)
  }

  @Test("bytes without a place may leave too")
  func uncommittedLeave() {
    let queue = Queue(limit: 65_536)
    queue.append(Array("abcd".utf8))
    queue.removeFirst(3)
    #expect(queue.uncommittedCount == 1)
    #expect(queue.bytes == Array("d".utf8))
  }

  @Test("there is room as long as the longest answer fits under the limit")
  func limit() {
    let queue = Queue(limit: 8192)
    queue.append([UInt8](repeating: 1, count: 8192 - LocalReply.byteCountMax))
    #expect(queue.hasRoom)
    queue.append([1])
    #expect(!queue.hasRoom)
    queue.removeFirst(1)
    #expect(queue.hasRoom)
  }

  @Test("a limit below two answers still lets one be made")
  func smallLimit() {
    let queue = Queue(limit: 1)
    #expect(queue.hasRoom)
  }
}
