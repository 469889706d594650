// Repeated events: the first is written at once, those that follow within a window are counted, and the count is written when the
// window ends, when the gate does, or when the table is full and the oldest is evicted. So no repetition is forgotten and nothing grows.
//
// Who repeats does not matter here: the key says what is alike (Log.swift). A connection that ends leaves its repetitions to others of its kind.

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
    /// Whose event the first was.
    let connection: UInt64
    var count = 0
    /// Other connections that repeated it, at least: one that is older than another that was counted is not looked for.
    private(set) var others = 0
    private var newest: UInt64

    init(_ event: LogEvent, of connection: UInt64, gate: GateLog?) {
      (self.event, self.connection, self.gate, newest) = (event, connection, gate, connection)
    }

    @inline(__always)
    mutating func count(_ connection: UInt64) {
      count += 1
      if connection != newest { noteOther(connection) }
    }

    /// The last that was counted has numbers of its own, which are added up.
    fileprivate mutating func add(_ numbers: [(key: LogKey, number: UInt64)]) {
      for (key, number) in numbers { event.addUp(key, number, afresh: count == 1) }
    }

    private mutating func noteOther(_ connection: UInt64) {
      if connection == self.connection || (others > 0 && connection < newest) { return }
      others += 1
      newest = connection
    }
  }

  private struct Entry {
    let key: UInt64
    let since: Instant
    var repetitions: Repetitions
  }

  /// Entries at a time. Untuned: more different denials in five seconds than a person reads.
  static let entriesMax = 256

  private let window: UInt64
  /// A ring, made for the first event: entry number `n` is at `n % entriesMax`. Nil where the gate has ended.
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
    // Windows are alike, so that the oldest entry's ends first; one whose gate has gone leaves with those before it.
    return entries[first % Self.entriesMax]?.since.advanced(byMilliseconds: window) ?? Instant(milliseconds: 0)
  }

  /// Whether an event with this key was written within the window; then this one, of `connection`, is counted.
  mutating func counts(_ key: UInt64, of connection: UInt64) -> Bool {
    guard let number = numbers[key] else { return false }
    entries[number % Self.entriesMax]?.repetitions.count(connection)
    return true
  }

  /// As ``counts(_:of:)``, for an event with numbers of its own, which are added up.
  mutating func counts(_ key: UInt64, of connection: UInt64, adding own: [(key: LogKey, number: UInt64)]) -> Bool {
    guard counts(key, of: connection), let number = numbers[key] else { return false }
    entries[number % Self.entriesMax]?.repetitions.add(own)
    return true
  }

  /// An event was written. Returns the repetitions of one that is evicted for it.
  mutating func remember(_ key: UInt64, _ event: LogEvent, of connection: UInt64, gate: GateLog?, at now: Instant) -> Repetitions?
  {
    if window == 0 { return nil }
    if entries.isEmpty { entries = Array(repeating: nil, count: Self.entriesMax) }
    let evicted = end - first == Self.entriesMax ? removeFirst() : nil
    entries[end % Self.entriesMax] = Entry(key: key, since: now, repetitions: Repetitions(event, of: connection, gate: gate))
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

  /// The repetitions of a gate that ends; of all if nil is given.
  mutating func removeAll(of gate: GateLog?) -> [Repetitions] {
    var removed: [Repetitions] = []
    for number in first..<end {
      guard let entry = entries[number % Self.entriesMax], gate == nil || entry.repetitions.gate === gate else { continue }
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
