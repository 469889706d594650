// Who owns which name on one bus, as a connection of the gate's own is told (OwnerObserver). The sessions of all gates of that bus ask here
// before a call or signal to a unique name is judged by owners: a client that does not read holds up its own stream, not this one.
//
// It knows only names that some rule asks about. What a policy does not find here it has to take for unknown.

import DBusWire
import GatePolicy

/// The owners that the policies of a bus's gates ask about.
///
/// Source: ours.
public final class OwnerDirectory {
  /// What can be said about owners to a policy.
  public enum Knowledge: Sendable {
    /// Nothing: the observer is away, or has not been asked. Deny rules with a name meet every unique name.
    case unknown
    /// The bus has been asked for the first time, or for more, and answers soon: what has to be judged waits.
    case awaited
    /// Who owns what.
    case known
  }

  /// A policy that asks here.
  private struct Follower {
    /// The policy's number of each pattern, by the directory's; −1: it does not ask for that one.
    let numbers: [Int32]
    var isKnown: Bool
  }

  /// What is to be asked of the bus, and what it answered.
  private(set) var watch: NameWatch
  /// By the policies' identities.
  private var followers: [UInt64: Follower] = [:]
  /// Whether who waits has an answer to wait for.
  private(set) var isAwaited = false
  /// Whether the observer has not heard all that the bus has said.
  public var isBehind = false
  /// Whether the bus may have said more than the observer has heard, and has just been asked: what has to be judged waits.
  public var isCatchingUp = false
  /// The observer's unique name; empty as long as it has none.
  private(set) var observerName: [UInt8] = []
  /// The bus that the observer was connected to last.
  private var lastBus: BusIdentity?
  private let seed = SeededHash()
  /// How many owners and names are remembered, each.
  private let limit: Int

  /// A directory of nobody.
  ///
  /// - Parameter ownersMax: How many owners and names are remembered, each: `owners-max`.
  public init(ownersMax: Int) {
    limit = ownersMax
    watch = NameWatch(ownersMax: ownersMax)
  }

  /// Whether messages are judged by what is known here.
  public var isUsed: Bool { followers.values.contains { $0.isKnown } }

  /// Whether the bus has answered all that it was asked about names.
  public var isAnswered: Bool { watch.isReady }

  // MARK: Asking

  /// What is known for a policy, by its ``GatePolicy/Policy/identity``.
  func knowledge(for policy: UInt64) -> Knowledge {
    guard let follower = followers[policy], !isBehind else { return .unknown }
    if follower.isKnown { return isCatchingUp ? .awaited : .known }
    return isAwaited ? .awaited : .unknown
  }

  /// Whether it is this bus that the directory was told of. Two may follow each other at one address, and both be alive.
  func isAbout(_ bus: BusIdentity?) -> Bool {
    guard let bus, let lastBus else { return true }  // before either has said who it is nothing is known
    return lastBus.isSame(as: bus)
  }

  /// Says what a unique name owns, in a policy for which that is known; what `peer` ever owned is kept.
  func describe(_ peer: inout MessagePeer, named unique: RawSpan, for policy: UInt64) {
    guard let follower = followers[policy] else { preconditionFailure("asked for a policy that nobody follows") }
    let found = watch.table.peer(seed.hash(unique))
    peer.owned = Self.renumbered(found.owned, follower.numbers)
    peer.everOwned.formUnion(Self.renumbered(found.everOwned, follower.numbers))
    peer.mayOwnMore = watch.table.isIncomplete
  }

  private static func renumbered(_ set: NameSet, _ numbers: [Int32]) -> NameSet {
    var result = NameSet()
    set.forEach { if numbers[$0] >= 0 { result.insert(Int(numbers[$0])) } }
    return result
  }

  /// The bus has named the observer.
  func nameObserver(_ name: RawSpan) { observerName = unsafe name.withUnsafeBytes { unsafe Array($0) } }

  // MARK: Following

  /// From now on these policies ask. What is known of patterns that were asked for before stays known.
  ///
  /// - Parameter isConnected: Whether the bus can be asked for the others. An observer says this itself; without one it is false.
  public func follow(_ policies: [Policy], isConnected: Bool) {
    // What was lost to the limit is not known until it is asked for again.
    let isKept = isConnected && !watch.table.isIncomplete
    let known = Set(isKept && watch.isReady ? watch.patterns : [])
    var union: [NamePattern] = []
    var numbers: [NamePattern: Int] = [:]
    let asking = policies.filter(\.followsNames)
    for policy in asking {
      for pattern in policy.namePatterns where numbers[pattern] == nil {
        numbers[pattern] = union.count
        union.append(pattern)
      }
    }
    let old = followers
    followers = [:]
    for policy in asking {
      var own = [Int32](repeating: -1, count: union.count)
      for (number, pattern) in policy.namePatterns.enumerated() {
        if let place = numbers[pattern] { own[place] = Int32(number) }
      }
      let wasKnown = old[policy.identity]?.isKnown ?? false
      let isKnown = isKept && (wasKnown || watch.isReady && policy.namePatterns.allSatisfy(known.contains))
      followers[policy.identity] = Follower(numbers: own, isKnown: isKnown)
    }
    watch.follow(asking.isEmpty ? nil : union) { seed.hash($0) }
    if isConnected { isAwaited = followers.values.contains { !$0.isKnown } }
  }

  /// A bus that was not asked before is about to be: what has to be judged waits for it.
  public func awaitAnswers() { isAwaited = true }

  /// All answers are in.
  func settle() {
    watch.settle()
    isAwaited = false
    for policy in followers.keys { followers[policy]?.isKnown = true }
  }

  /// The observer has lost its bus, or cannot have one: nothing is known, and nobody waits for it.
  public func lose() {
    watch.lose()
    (isAwaited, isBehind, isCatchingUp) = (false, false, false)
    observerName = []
    for policy in followers.keys { followers[policy]?.isKnown = false }
  }

  /// A connection that has no match rules yet takes the place of one that was lost, if there was one.
  ///
  /// - Parameter bus: The bus that it leads to: as long as that lives it gives no unique name twice, and what one once owned still holds.
  func startAnew(at bus: BusIdentity) {
    let old = watch
    watch = NameWatch(ownersMax: limit)
    if lastBus == bus { watch.inherit(from: old) }
    lastBus = bus
    watch.follow(followers.isEmpty ? nil : old.patterns) { seed.hash($0) }
  }

  /// Instead of an observer: these policies ask, and this is who owns what. For tools and tests that play the bus.
  package func play(_ policies: [Policy], owners: [String: String]) {
    follow(policies, isConnected: true)
    for (name, owner) in owners.sorted(by: { $0.key < $1.key }) { change(name, to: owner) }
    settle()
  }

  /// Instead of an observer: `name` has this owner from now on, or none where it is empty.
  package func change(_ name: String, to owner: String) {
    let (name, owner) = (Array(name.utf8), Array(owner.utf8))
    _ = takeChange(of: unsafe name.span.bytes, newOwner: unsafe owner.span.bytes)
  }

  // MARK: What the bus says

  /// Of all names that there are, those that matter are to be asked for.
  func takeNames(_ list: RawSpan, _ byteOrder: ByteOrder) {
    var strings = StringArray(list, byteOrder: byteOrder)
    var count = 0
    while let name = strings.next() {
      if name.starts(with: UInt8(ascii: ":")) || name.isEqual(to: Driver.name) { continue }
      if name.byteCount > BusName.byteCountMax { continue }  // no bus has such a name
      let patterns = watch.patterns(matching: name)
      if patterns.isEmpty { continue }
      if count == limit {
        watch.noteIncompleteness()
        return
      }
      count += 1
      watch.add(
        .getNameOwner(hash: seed.hash(name), patterns: patterns, name: unsafe name.withUnsafeBytes { unsafe Array($0) }))
    }
  }

  /// The bus answered who owns a name with this hash.
  func takeOwner(_ owner: RawSpan, ofName hash: UInt64) {
    if let asked = watch.asked[hash] { watch.setOwner(seed.hash(owner), of: hash, unsafe asked.name.span.bytes, asked.patterns) }
  }

  /// `name` has a new owner, or none. Returns whether that is news.
  func takeChange(of name: RawSpan, newOwner: RawSpan) -> Bool {
    let hash = seed.hash(name)
    if name.starts(with: UInt8(ascii: ":")) { return newOwner.byteCount == 0 && watch.leave(hash) }
    let patterns = watch.patterns(matching: name)
    if patterns.isEmpty { return false }
    if newOwner.byteCount == 0 {
      watch.release(hash)
    } else {
      watch.setOwner(seed.hash(newOwner), of: hash, name, patterns)
    }
    return true
  }
}
