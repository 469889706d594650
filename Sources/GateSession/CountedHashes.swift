// The hashes of what a client has of something that its gate has only so many of: they count there as long as they are here.

/// Hashes with counts, each of which is one of a ``GateCount``.
struct CountedHashes: ~Copyable {
  private var hashes = HashCounts()
  private var taken = 0
  private let total: GateCount?

  init(total: GateCount?) { self.total = total }

  deinit { total?.add(-taken) }

  /// Different hashes.
  var count: Int { hashes.count }

  var isEmpty: Bool { hashes.isEmpty }

  /// Whether the gate has room for one more.
  var hasRoom: Bool { total?.hasRoom ?? true }

  subscript(_ hash: UInt64) -> UInt32 { hashes[hash] }

  func contains(_ hash: UInt64) -> Bool { hashes.contains(hash) }

  /// Adds a hash once more.
  mutating func add(_ hash: UInt64) {
    hashes.add(hash)
    change(by: 1)
  }

  /// Adds a hash if it is not there.
  mutating func insert(_ hash: UInt64) { if !contains(hash) { add(hash) } }

  /// Removes a hash once; nothing happens if it is not there.
  mutating func remove(_ hash: UInt64) {
    if !contains(hash) { return }
    hashes.remove(hash)
    change(by: -1)
  }

  private mutating func change(by difference: Int) {
    taken += difference
    total?.add(difference)
  }
}
