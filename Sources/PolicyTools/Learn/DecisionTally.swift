// The decisions of a log, each sort of message once, with how often. Filled by DecisionLogReader, read by Learner. Its memory goes
// with the different messages, not with the lines, and is bounded.

import GateSession

/// What a log told, without repetitions.
public struct DecisionTally: Sendable {
  /// One sort of message.
  struct Entry {
    /// Where its key is in `bytes`.
    let key: Range<Int>
    /// Messages, with those that the log had coalesced into one line.
    var count: Int
    /// The line that told of it first.
    let file: Int32
    let line: Int
  }

  /// Different messages at most, some 250 bytes each. Untuned.
  public static let distinctMax = 200_000

  /// Names of the files that were read, in their order.
  public private(set) var files: [String] = []
  /// Messages of all entries.
  public private(set) var messageCount = 0
  /// Messages that found no place, because there were too many different ones.
  public private(set) var droppedCount = 0
  private(set) var entries: [Entry] = []
  private var bytes: [UInt8] = []
  private var places: [UInt64: Int32] = [:]
  private let seed = SeededHash()
  private let distinctMax: Int

  /// A tally of nothing.
  public init() { self.init(distinctMax: Self.distinctMax) }

  init(distinctMax: Int) { self.distinctMax = distinctMax }

  /// Decisions that are added from now on are from `file`.
  mutating func begin(file: String) { files.append(file) }

  /// Adds `count` decisions that `line` tells of.
  mutating func add(_ key: [UInt8], count: Int, line: Int) {
    messageCount += count
    var hash = seed.hash(unsafe key.span.bytes)
    while let place = places[hash] {
      if bytes[entries[Int(place)].key].elementsEqual(key) {
        entries[Int(place)].count += count
        return
      }
      hash &+= 1
    }
    if entries.count == distinctMax {
      droppedCount += count
      return
    }
    places[hash] = Int32(entries.count)
    entries.append(
      Entry(key: bytes.count..<bytes.count + key.count, count: count, file: Int32(files.count - 1), line: line))
    bytes += key
  }

  /// The message of an entry.
  func message(_ entry: Entry) -> TalliedMessage {
    TalliedMessage(key: bytes[entry.key], count: entry.count, place: "\(files[Int(entry.file)]):\(entry.line)")
  }

  /// All messages, in the order in which they were first told of.
  var messages: [TalliedMessage] { entries.map(message) }
}
