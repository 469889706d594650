// The well-known names that the client asked the bus for: those that it owns, waits for, or may yet get. Their bytes are kept, since a
// name that the policy no longer lets the client own has to be given back by name. There are `names-max` at most.

import DBusWire

/// The names that the client asked for and did not release.
struct RequestedNames: ~Copyable {
  /// A name that the client asked for.
  struct Entry {
    let hash: UInt64
    /// Another one for every entry that there ever was: an answer that comes for a name which was released meanwhile, and perhaps asked
    /// for again, counts for no later entry.
    let number: UInt64
    let name: [UInt8]
    /// The path on which it was asked for last, which a rule may name.
    var path: [UInt8]
    /// RequestNames without an answer yet.
    var unanswered = 0
    /// Whether the client owns the name or waits for it, as far as was answered; and if a RequestName asked for no answer.
    var isHeld = false
  }

  /// A longer path is not remembered. Untuned.
  private static let pathBytesMax = 255

  private var entries: [Entry] = [] { didSet { share.set(entries.count) } }
  private var share: GateShare
  private var nextNumber: UInt64 = 1

  /// No names; those that will be there count in `total`.
  init(total: GateCount?) { share = GateShare(of: total) }

  /// Whether the gate has room for one more.
  var hasRoom: Bool { share.hasRoom }

  var count: Int { entries.count }

  func contains(_ hash: UInt64) -> Bool { place(of: hash) != nil }

  private func place(of hash: UInt64) -> Int? { entries.firstIndex { $0.hash == hash } }

  /// The number that the next RequestName of a name is counted under.
  func number(of hash: UInt64) -> UInt64 { place(of: hash).map { entries[$0].number } ?? nextNumber }

  /// Counts a RequestName.
  mutating func request(_ hash: UInt64, _ name: RawSpan, path: RawSpan, wantsAnswer: Bool) {
    var place = place(of: hash) ?? entries.count
    if place == entries.count {
      entries.append(Entry(hash: hash, number: nextNumber, name: unsafe name.withUnsafeBytes { unsafe Array($0) }, path: []))
      nextNumber += 1
      place = entries.count - 1
    }
    if path.byteCount <= Self.pathBytesMax { entries[place].path = unsafe path.withUnsafeBytes { unsafe Array($0) } }
    if wantsAnswer { entries[place].unanswered += 1 } else { entries[place].isHeld = true }
  }

  /// The bus answered a RequestName that was counted under `number`.
  ///
  /// - Parameter isHeld: Whether the client owns the name or waits for it; nil: as before.
  mutating func noteAnswer(_ number: UInt64, isHeld: Bool?) {
    guard let place = entries.firstIndex(where: { $0.number == number }) else { return }
    entries[place].unanswered -= 1
    if let isHeld { entries[place].isHeld = isHeld }
    if !entries[place].isHeld && entries[place].unanswered == 0 { entries.remove(at: place) }
  }

  /// The client gives the name back.
  mutating func remove(_ hash: UInt64) {
    if let place = place(of: hash) { entries.remove(at: place) }
  }

  /// Removes the names that do not satisfy `stays`; returns them.
  mutating func remove(unless stays: (Entry) -> Bool) -> [Entry] {
    if entries.isEmpty { return [] }
    var removed: [Entry] = []
    entries.removeAll { entry in
      if stays(entry) { return false }
      removed.append(entry)
      return true
    }
    return removed
  }
}
