// Who owns which name, as far as the policy asks: what stands behind a unique name. Bounded; what the bus says is gone is forgotten at
// once, so that a name which changes its owner a million times leaves nothing behind.
//
// Names are remembered by hash (see SeededHash), patterns by their numbers in the policy.

import GatePolicy

/// Owners of well-known names, and other peers that the client knows of.
struct NameTable {
  /// A unique name.
  private struct Owner {
    /// Patterns of the names that it was last known to own, and how many names each stands for.
    var counts: [Int: Int] = [:]
    var owned = NameSet()
    var everOwned = NameSet()
    /// The names that it was last known to own.
    var names: Set<UInt64> = []
    /// Whether it sent the client a message.
    var isVisible = false
  }
  /// A well-known name that some pattern matches.
  private struct Name {
    var patterns: NameSet
    /// Who owns it, or owned it last.
    var owner: UInt64
    var isOwned: Bool
  }

  private var owners: [UInt64: Owner] = [:]
  private var names: [UInt64: Name] = [:]
  /// Names without an owner, whose last one is remembered.
  private var releasedCount = 0
  private var visibleCount = 0
  private let limit: Int
  /// Whether there were more owners or names than the limit: then it is not known what a unique name stands for.
  private(set) var isIncomplete = false

  /// The last owners of so many names without one are remembered. Untuned.
  private static let releasedMax = 1024

  init(limit: Int) { self.limit = limit }

  /// There are more names than are asked for.
  mutating func noteIncompleteness() { isIncomplete = true }

  var ownerCount: Int { owners.count }
  var nameCount: Int { names.count }

  /// What is known of the unique name with this hash. Who may own more is not decided here.
  func peer(_ hash: UInt64) -> MessagePeer {
    var peer = MessagePeer()
    if let owner = owners[hash] { (peer.owned, peer.everOwned) = (owner.owned, owner.everOwned) }
    return peer
  }

  /// Patterns of the names that the unique name ever owned; nil if nothing is known of it.
  func everOwned(_ hash: UInt64) -> NameSet? { owners[hash]?.everOwned }

  /// Whether the unique name with this hash sent the client a message.
  func isVisible(_ hash: UInt64) -> Bool { owners[hash]?.isVisible ?? false }

  /// It did. Returns whether that is news.
  mutating func markVisible(_ hash: UInt64) -> Bool {
    if owners[hash]?.isVisible ?? false { return false }
    if visibleCount >= limit { return false }
    owners[hash, default: Owner()].isVisible = true
    visibleCount += 1
    return true
  }

  /// The name with hash `name`, which `patterns` match, has this owner.
  mutating func setOwner(_ owner: UInt64, of name: UInt64, matchedBy patterns: NameSet) {
    if let old = names[name] {
      if !old.isOwned { releasedCount -= 1 }
      if old.owner == owner {
        names[name]?.isOwned = true
        return
      }
      disown(name, old)
    }
    if names.count >= limit || owners[owner] == nil && owners.count - visibleCount >= limit {
      isIncomplete = true
      return
    }
    names[name] = Name(patterns: patterns, owner: owner, isOwned: true)
    var entry = owners[owner] ?? Owner()
    entry.names.insert(name)
    entry.everOwned.formUnion(patterns)
    entry.owned.formUnion(patterns)
    patterns.forEach { entry.counts[$0, default: 0] += 1 }
    owners[owner] = entry
  }

  /// The name with this hash has no owner any more; its last one stays known until there is another.
  mutating func release(_ name: UInt64) {
    guard let old = names[name], old.isOwned else { return }
    if releasedCount >= Self.releasedMax {
      disown(name, old)
    } else {
      names[name]?.isOwned = false
      releasedCount += 1
    }
  }

  /// Takes the name from the one who had it last.
  private mutating func disown(_ name: UInt64, _ old: Name) {
    names[name] = nil
    guard var owner = owners[old.owner] else { return }
    owner.names.remove(name)
    old.patterns.forEach { pattern in
      let left = (owner.counts[pattern] ?? 1) - 1
      owner.counts[pattern] = left == 0 ? nil : left
      if left == 0 { owner.owned.remove(pattern) }
    }
    owners[old.owner] = owner
  }

  /// The unique name with this hash is gone, and will never be there again. Returns whether it was known.
  mutating func remove(_ unique: UInt64) -> Bool {
    guard let owner = owners.removeValue(forKey: unique) else { return false }
    if owner.isVisible { visibleCount -= 1 }
    for name in owner.names {
      if let gone = names.removeValue(forKey: name), !gone.isOwned { releasedCount -= 1 }
    }
    return true
  }

  /// Another policy numbers its patterns in another way: `numbers` has the new one for each old one that is still there.
  ///
  /// What unique names owned is kept as far as the new policy asks for the same; who owns which name is to be asked anew.
  mutating func renumber(_ numbers: [Int?]) {
    names = [:]
    releasedCount = 0
    isIncomplete = false
    func renumbered(_ set: NameSet) -> NameSet {
      var new = NameSet()
      set.forEach { if let number = numbers[$0] { new.insert(number) } }
      return new
    }
    for (unique, old) in owners {
      var owner = Owner()
      owner.isVisible = old.isVisible
      owner.everOwned = renumbered(old.everOwned)
      // Until it is known better: the answers that are asked for now come before anything else is decided on by them.
      owner.owned = renumbered(old.owned)
      owners[unique] = owner.isVisible || !owner.everOwned.isEmpty ? owner : nil
    }
  }

  /// All owners have been asked for: what unique names were last known to own is what the names say.
  mutating func settle() {
    for (unique, var owner) in owners {
      var owned = NameSet()
      for pattern in owner.counts.keys { owned.insert(pattern) }
      owner.owned = owned
      owners[unique] = owner
    }
  }
}
