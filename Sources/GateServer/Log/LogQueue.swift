// Events that wait for their reader. Bounded: what finds no room is counted, and the count is the first thing that is written when
// there is room again.

import GateSession

/// Written events on their way to a sink.
struct LogQueue {
  /// Bytes that may wait.
  static let bytesMax = 262_144
  /// Bytes that a stream is given at once: as many as a pipe takes whole or not at all (PIPE_BUF).
  static let chunkBytesMax = 4096

  private let sink: any LogSink
  private var records: [[UInt8]] = []
  /// The first record that has not left, and how much of it has.
  private var first = 0
  private var sent = 0
  private var byteCount = 0
  /// When a sink that would not take anything is asked again.
  private(set) var retryAt: Instant?
  private(set) var isGone = false
  /// Events lost since that was last reported, and in all.
  private(set) var unreported: UInt64 = 0
  private(set) var lost: UInt64 = 0

  init(_ sink: any LogSink) { self.sink = sink }

  func close() { sink.close() }

  /// Whether nothing waits.
  var isEmpty: Bool { first == records.count }

  /// Puts an event behind the others, or counts it as lost.
  mutating func append(_ record: [UInt8]) {
    if isGone || unreported > 0 || byteCount + record.count > Self.bytesMax {
      lose(1)
      return
    }
    records.append(record)
    byteCount += record.count
  }

  /// Writes what is taken without waiting; `report` makes the event that tells how many were lost.
  mutating func flush(at now: Instant, report: (UInt64) -> [UInt8]) {
    if isGone || (isEmpty && unreported == 0) { return }
    if let retryAt, now < retryAt { return }
    retryAt = nil
    while true {
      if isEmpty {
        forgetSent()
        if unreported == 0 { return }
        let count = unreported
        unreported = 0
        append(report(count))
      }
      let chunk = nextChunk()
      switch sink.write(chunk) {
      case .taken(let count): left(count)
      case .refused:
        lose(1)
        left(records[first].count - sent)
      case .busy(let milliseconds):
        retryAt = now.advanced(byMilliseconds: milliseconds)
        forgetSent()
        return
      case .gone:
        isGone = true
        lose(UInt64(records.count - first))
        (records, first, sent, byteCount) = ([], 0, 0, 0)
        return
      }
    }
  }

  /// The sink is asked again at once.
  mutating func hurry() { retryAt = nil }

  private mutating func lose(_ count: UInt64) {
    lost += count
    unreported += count
  }

  /// The first bytes that have not left: whole records as far as they fit, at least one.
  private func nextChunk() -> [UInt8] {
    var chunk = Array(records[first][sent...])
    if !sink.isStream { return chunk }
    var next = first + 1
    while next < records.count && chunk.count + records[next].count <= Self.chunkBytesMax {
      chunk += records[next]
      next += 1
    }
    if chunk.count > Self.chunkBytesMax { chunk.removeLast(chunk.count - Self.chunkBytesMax) }
    return chunk
  }

  private mutating func left(_ count: Int) {
    byteCount -= count
    sent += count
    while first < records.count && sent >= records[first].count {
      sent -= records[first].count
      records[first] = []
      first += 1
    }
  }

  private mutating func forgetSent() {
    records.removeFirst(first)
    first = 0
  }
}
