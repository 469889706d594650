// The well-known names behind unique ones, in bytes, for the decision log: what a reader needs to write a rule with `name`. Verdicts are
// never made of it; those ask NameTable, which knows hashes alone. Filled by NameWatch where names are followed.
//
// Bounded, and the log may be a little late: the names of a peer that has left stay known until others need the place, since what it
// said last is often logged after it left.

import DBusWire

/// Who owned which name last.
struct OwnerNames {
  private struct Name {
    let text: [UInt8]
    var owner: UInt64
  }

  /// By the hash of the name.
  private var names: [UInt64: Name] = [:]
  /// Hashes of the names of a unique name, by its hash.
  private var owned: [UInt64: [UInt64]] = [:]
  /// Unique names that have left, the first that did in front.
  private var departed: [UInt64] = []
  /// Names that the client used, or asked about: of several that a peer owns, these are told first.
  private var mentioned: Set<UInt64> = []
  private let limit: Int

  /// Peers that have left and are still known. Untuned.
  private static let departedMax = 64
  /// Names that the client mentioned. Untuned.
  private static let mentionedMax = 1024

  init(limit: Int) { self.limit = limit }

  var count: Int { names.count }

  /// `text`, whose hash is `name`, is owned by this one.
  mutating func set(_ owner: UInt64, of name: UInt64, _ text: RawSpan) {
    if let old = names[name] {
      if old.owner == owner { return }
      take(name, from: old.owner)
      names[name]?.owner = owner
    } else {
      if names.count >= limit, !departed.isEmpty { forget(departed.removeFirst()) }
      if names.count >= limit { return }
      names[name] = Name(text: unsafe text.withUnsafeBytes { unsafe Array($0) }, owner: owner)
    }
    owned[owner, default: []].append(name)
  }

  /// The unique name with this hash has left the bus.
  mutating func leave(_ unique: UInt64) {
    if owned[unique] == nil { return }
    departed.append(unique)
    if departed.count > Self.departedMax { forget(departed.removeFirst()) }
  }

  /// The client used the name with this hash.
  mutating func mention(_ name: UInt64) {
    if mentioned.count < Self.mentionedMax { mentioned.insert(name) }
  }

  /// A name of the unique name with this hash: of several the first, in order of their bytes, of those that the client mentioned, else of
  /// all. Nil if none is known.
  func name(of unique: UInt64) -> [UInt8]? {
    guard let all = owned[unique] else { return nil }
    let used = all.filter { mentioned.contains($0) }
    return (used.isEmpty ? all : used).compactMap { names[$0]?.text }.min { $0.lexicographicallyPrecedes($1) }
  }

  private mutating func forget(_ unique: UInt64) {
    for name in owned.removeValue(forKey: unique) ?? [] { names[name] = nil }
  }

  private mutating func take(_ name: UInt64, from owner: UInt64) {
    owned[owner]?.removeAll { $0 == name }
    if owned[owner]?.isEmpty ?? false { owned[owner] = nil }
  }
}
