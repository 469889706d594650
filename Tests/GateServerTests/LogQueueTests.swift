// What becomes of events when their reader is slow, full or gone.

import GateSession
import Testing

@testable import GateServer

/// A reader that does what the test says.
private final class Reader: LogSink {
  let isStream: Bool
  /// What it will do next; when there is nothing, it takes everything.
  var results: [SinkResult] = []
  var taken: [UInt8] = []
  var attempts = 0

  init(isStream: Bool) { self.isStream = isStream }

  func write(_ bytes: [UInt8]) -> SinkResult {
    attempts += 1
    let result = results.isEmpty ? .taken(bytes.count) : results.removeFirst()
    if case .taken(let count) = result { taken += bytes.prefix(count) }
    if case .taken(let count) = result { return .taken(min(count, bytes.count)) }
    return result
  }

  func close() {}
}

@Suite("the queue of the log")
struct LogQueueTests {
  private static func at(_ milliseconds: UInt64) -> Instant { Instant(milliseconds: milliseconds) }
  private static func report(_ count: UInt64) -> [UInt8] { Array("lost \(count)\n".utf8) }

  @Test("what is taken in parts arrives whole and in order", arguments: [1, 2, 3, 5, 4096])
  func parts(count: Int) {
    let reader = Reader(isStream: true)
    var queue = LogQueue(reader)
    for text in ["first\n", "second\n", "third\n"] { queue.append(Array(text.utf8)) }
    reader.results = Array(repeating: .taken(count), count: 10)
    queue.flush(at: Self.at(0), report: Self.report)
    #expect(String(decoding: reader.taken, as: UTF8.self) == "first\nsecond\nthird\n" && queue.isEmpty)
  }

  @Test("a datagram is one event")
  func datagrams() {
    let reader = Reader(isStream: false)
    var queue = LogQueue(reader)
    for _ in 0..<3 { queue.append([1, 2]) }
    queue.flush(at: Self.at(0), report: Self.report)
    #expect(reader.attempts == 3)
  }

  @Test("a busy reader is left alone for as long as it wants")
  func busy() {
    let reader = Reader(isStream: true)
    var queue = LogQueue(reader)
    queue.append([1])
    reader.results = [.busy(100)]
    queue.flush(at: Self.at(0), report: Self.report)
    for now in [1, 99] as [UInt64] { queue.flush(at: Self.at(now), report: Self.report) }
    #expect(reader.attempts == 1 && queue.retryAt == Self.at(100))
    queue.flush(at: Self.at(100), report: Self.report)
    #expect(reader.taken == [1] && queue.retryAt == nil)
  }

  @Test("what finds no room is counted, and the count follows what was kept")
  func overflow() {
    let reader = Reader(isStream: true)
    var queue = LogQueue(reader)
    let record = [UInt8](repeating: 0x61, count: 1023) + [0x0A]
    let kept = LogQueue.bytesMax / record.count
    for _ in 0..<kept + 5 { queue.append(record) }
    #expect(queue.lost == 5 && queue.unreported == 5)
    queue.flush(at: Self.at(0), report: Self.report)
    #expect(reader.taken.count == kept * record.count + 7 && reader.taken.suffix(7).elementsEqual("lost 5\n".utf8))
    #expect(queue.lost == 5 && queue.unreported == 0)
  }

  @Test("while a loss is not reported, nothing goes before the report")
  func order() {
    let reader = Reader(isStream: true)
    var queue = LogQueue(reader)
    queue.append([UInt8](repeating: 1, count: LogQueue.bytesMax))
    queue.append([2])
    reader.results = [.taken(4096), .busy(100)]
    queue.flush(at: Self.at(0), report: Self.report)
    queue.append([3])
    #expect(queue.lost == 2)
    queue.flush(at: Self.at(100), report: Self.report)
    queue.append([4])
    queue.flush(at: Self.at(100), report: Self.report)
    #expect(reader.taken.suffix(8).elementsEqual(Array("lost 2\n".utf8) + [4]))
  }

  @Test("a reader that is gone costs nothing more, and everything is counted")
  func gone() {
    let reader = Reader(isStream: true)
    var queue = LogQueue(reader)
    for _ in 0..<3 { queue.append([1]) }
    reader.results = [.gone]
    queue.flush(at: Self.at(0), report: Self.report)
    for _ in 0..<3 { queue.append([1]) }
    queue.flush(at: Self.at(5_000), report: Self.report)
    #expect(queue.isGone && queue.lost == 6 && reader.attempts == 1)
  }

  @Test("an event that is refused is lost alone")
  func refused() {
    let reader = Reader(isStream: false)
    var queue = LogQueue(reader)
    for byte in 1...3 as ClosedRange<UInt8> { queue.append([byte]) }
    reader.results = [.taken(1), .refused]
    queue.flush(at: Self.at(0), report: Self.report)
    #expect(reader.taken == [1, 3] + Array("lost 1\n".utf8))
  }
}
