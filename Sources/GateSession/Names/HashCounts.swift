// A few hashes of names or match rules, each as often as it was added: tens as a rule, hundreds at most, so they lie in order in one piece
// of memory. The standard library's sets and dictionaries would do; but the first one that a process uses brings in a megabyte of code,
// and a gate has no other use for that.

import DBusWire

/// Hashes with counts. Looking one up takes the logarithm of their number, adding one and removing one their number.
@safe
struct HashCounts: ~Copyable {
  private struct Entry: BitwiseCopyable {
    var hash: UInt64
    var count: UInt32
  }

  private var entries: UnsafeMutablePointer<Entry>?
  private var capacity = 0
  /// Different hashes.
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  deinit { unsafe entries?.deallocate() }

  /// How often a hash was added and not removed.
  subscript(_ hash: UInt64) -> UInt32 {
    let (place, isThere) = find(hash)
    return isThere ? unsafe entries![place].count : 0
  }

  func contains(_ hash: UInt64) -> Bool { find(hash).isThere }

  /// Adds a hash once more.
  mutating func add(_ hash: UInt64) {
    let (place, isThere) = find(hash)
    if !isThere { insert(hash, at: place) }
    unsafe entries![place].count += 1
  }

  /// Adds a hash if it is not there.
  mutating func insert(_ hash: UInt64) { if !contains(hash) { add(hash) } }

  /// Removes a hash once; nothing happens if it is not there.
  mutating func remove(_ hash: UInt64) {
    let (place, isThere) = find(hash)
    if !isThere { return }
    guard let entries = unsafe entries else { preconditionFailure("an entry without memory") }
    if unsafe entries[place].count > 1 {
      unsafe entries[place].count -= 1
      return
    }
    unsafe (entries + place).update(from: entries + place + 1, count: count - place - 1)
    count -= 1
  }

  /// Where a hash is, or belongs: from 0 to `count`.
  private func find(_ hash: UInt64) -> (place: Int, isThere: Bool) {
    guard let entries = unsafe entries else { return (0, false) }
    var low = 0, high = count
    while low < high {
      let middle = (low + high) / 2
      if unsafe entries[middle].hash < hash { low = middle + 1 } else { high = middle }
    }
    return unsafe (low, low < count && entries[low].hash == hash)
  }

  private mutating func insert(_ hash: UInt64, at place: Int) {
    if count == capacity { grow() }
    guard let entries = unsafe entries else { preconditionFailure("grown to nothing") }
    unsafe (entries + place + 1).update(from: entries + place, count: count - place)
    unsafe entries[place] = Entry(hash: hash, count: 0)
    count += 1
  }

  private mutating func grow() {
    let wanted = max(4, capacity * 2)
    let larger = UnsafeMutablePointer<Entry>.allocate(capacity: wanted)
    unsafe larger.initialize(repeating: Entry(hash: 0, count: 0), count: wanted)
    if let entries = unsafe entries {
      unsafe larger.update(from: entries, count: count)
      unsafe entries.deallocate()
    }
    unsafe entries = unsafe larger
    capacity = wanted
  }
}
