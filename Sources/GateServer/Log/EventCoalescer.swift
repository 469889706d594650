// Repeated events: the first is written at once, those that follow within a window are counted, and the count is written when the
// window ends, when the connection does, or when the table is full and the oldest is evicted. So no repetition is forgotten and
// nothing grows.

import GateSession

/// The events of the last window, by key.
///
/// Keys are keyed hashes: events that share one by chance, one in 2⁶⁴, are counted as one.
struct EventCoalescer {
  /// Repetitions of an event that have not been written.
  struct Repetitions {
    var event: LogEvent
    /// In whose name; nil: of no gate.
    let gate: GateLog?
    var count: Int
  }

  private struct Entry {
    let key: UInt64
    let connection: UInt64
    let since: Instant
    var repetitions: Repetitions
  }

  /// Entries at a time. Untuned: more different denials in five seconds than a person reads.
  static let entriesMax = 256

  private let window: UInt64
  /// A ring, made for the first event: entry number `n` is at `n % entriesMax`. Nil where the connection has ended.
  private var entries: [Entry?] = []
  private var first = 0
  private var end = 0
  private var numbers: [UInt64: Int] = [:]

  /// - Parameter window: In milliseconds; 0: nothing is coalesced.
  init(window: UInt64) {
    self.window = window
  }

  /// When the oldest window ends.
  var deadline: Instant? {
    if first == end { return nil }
    // Windows are alike, so that the oldest entry's ends first; one whose connection has gone leaves with those before it.
    return entries[first % Self.entriesMax]?.since.advanced(byMilliseconds: window) ?? Instant(milliseconds: 0)
  }

  /// Whether an event with this key was written within the window; then this one is counted.
  mutating func counts(_ key: UInt64) -> Bool {
    guard let number = numbers[key] else { return false }
    entries[number % Self.entriesMax]?.repetitions.count += 1
    return true
  }

  /// An event was written. Returns the repetitions of one that is evicted for it.
  mutating func remember(_ key: UInt64, _ event: LogEvent, connection: UInt64, gate: GateLog?, at now: Instant) -> Repetitions? {
    if window == 0 { return nil }
    if entries.isEmpty { entries = Array(repeating: nil, count: Self.entriesMax) }
    let evicted = end - first == Self.entriesMax ? removeFirst() : nil
    entries[end % Self.entriesMax] = Entry(
      key: key, connection: connection, since: now, repetitions: Repetitions(event: event, gate: gate, count: 0))
    numbers[key] = end
    end += 1
    return evicted
  }

  /// The repetitions of the oldest event whose window has ended, if there is one. Call until nil.
  mutating func expire(at now: Instant) -> Repetitions? {
    while let deadline, now >= deadline {
      if let repetitions = removeFirst() { return repetitions }
    }
    return nil
  }

  /// The repetitions of a connection that ends; of all if nil is given.
  mutating func removeAll(of connection: UInt64?) -> [Repetitions] {
    removeAll { owner, _ in connection == nil || owner == connection }
  }

  /// The repetitions of a gate that ends.
  mutating func removeAll(of gate: GateLog) -> [Repetitions] { removeAll { _, owner in owner === gate } }

  private mutating func removeAll(_ isMeant: (_ connection: UInt64, _ gate: GateLog?) -> Bool) -> [Repetitions] {
    var removed: [Repetitions] = []
    for number in first..<end {
      guard let entry = entries[number % Self.entriesMax], isMeant(entry.connection, entry.repetitions.gate) else { continue }
      numbers[entry.key] = nil
      entries[number % Self.entriesMax] = nil
      if entry.repetitions.count > 0 { removed.append(entry.repetitions) }
    }
    while first < end, entries[first % Self.entriesMax] == nil { first += 1 }
    return removed
  }

  /// Takes the oldest entry out; its repetitions, if there were any.
  private mutating func removeFirst() -> Repetitions? {
    let place = first % Self.entriesMax
    first += 1
    guard let entry = entries[place] else { return nil }
    entries[place] = nil
    numbers[entry.key] = nil
    return entry.repetitions.count > 0 ? entry.repetitions : nil
  }
}
