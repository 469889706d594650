// What a session has besides when its policy has names: who owns which, what it asked the bus for that, and what the client asked for. One
// object per such session; a session without names has none.

import DBusWire
import GatePolicy

/// The state of following names for one client.
final class NameWatch {
  /// A call of the gate's own that is still to be made.
  enum OwnCall {
    case addMatch(hash: UInt64, rule: [UInt8])
    /// As often as the gate has it: what is left of several might be none, if the client took some of them along.
    case removeMatch(hash: UInt64, rule: [UInt8], times: Int)
    case listNames
    case getNameOwner(hash: UInt64, patterns: NameSet, name: [UInt8])
  }

  /// A match rule that the gate has at the bus.
  struct OwnMatch {
    let text: [UInt8]
    /// How often. More than once where it was added again so that one is left whatever the bus makes of what the client removes.
    var count = 1
    /// Whether the policy in force needs it; else it is kept for a client that added it when one did.
    var isWanted = true
  }

  /// A name whose owner was asked for, and the patterns that match it: none if only the log wants to know.
  struct Asked {
    let patterns: NameSet
    let name: [UInt8]
  }

  /// Calls of the gate's own that are under way at a time: their bytes are bounded by this.
  static let callsMax = 32
  /// More than this many match rules, or names to ask for, are not asked for one by one.
  static let singlesMax = 16

  private(set) var table: NameTable
  /// Whether it is known who owns what: until then the client's calls and signals wait.
  private(set) var isReady = false
  /// Calls still to be made, in order, from `nextCall` on.
  private var calls: [OwnCall] = []
  private var nextCall = 0
  /// Calls that were made and are not answered.
  private var pendingCount = 0
  /// The names whose owners were asked for, by their hashes.
  private(set) var asked: [UInt64: Asked] = [:]
  /// Names in bytes, if the log may want them.
  private(set) var ownerNames: OwnerNames?
  /// The match rules that the gate has at the bus, by the hashes of their canonical texts.
  private var ownMatches: [UInt64: OwnMatch] = [:]
  /// The name patterns of the policy that is followed.
  private(set) var patterns: [NamePattern] = []

  /// Match rules of the client's that may ask for changes of owners.
  private var subscriptions: [(hash: UInt64, rule: MatchRule)] = []
  private let calledMax: Int
  /// Hashes of well-known names that no pattern matches and that the client called, as a rule allowed.
  private var called: Set<UInt64> = []

  /// - Parameter matches: The match rules that the client has.
  init(ownersMax: Int, subscribed matches: [ClientMatches.Entry] = []) {
    table = NameTable(limit: ownersMax)
    calledMax = ownersMax
    for match in matches {
      guard let text = match.text else { continue }
      guard let rule = try? unsafe MatchRule(parsing: text.span.bytes) else {
        preconditionFailure("a rule that was read is none")
      }
      subscribe(rule, match.hash)
    }
  }

  // MARK: Own calls

  /// The next call to make; nil if there is none, or enough are under way.
  func takeCall() -> OwnCall? {
    if nextCall == calls.count {
      calls = []
      nextCall = 0
      return nil
    }
    if pendingCount >= Self.callsMax { return nil }
    let call = calls[nextCall]
    nextCall += 1
    // Only now: calls that were not made are forgotten when the policy changes.
    switch call {
    case .addMatch(let hash, let rule): ownMatches[hash] = OwnMatch(text: rule)
    case .removeMatch(let hash, _, _): ownMatches[hash] = nil
    case .listNames, .getNameOwner: break
    }
    return call
  }

  func add(_ call: OwnCall) { calls.append(call) }

  /// A call was made that is to be answered.
  func noteCall() { pendingCount += 1 }

  /// One of them is answered.
  func noteReply() { pendingCount -= 1 }

  /// The owner of the name with this hash was asked for.
  func noteAsked(_ hash: UInt64, _ name: Asked) { asked[hash] = name }

  /// Whether nothing is to be asked any more.
  var isIdle: Bool { pendingCount == 0 && nextCall == calls.count }

  /// Follows the names of another policy: what is to be asked of the bus for it.
  ///
  /// - Parameters:
  ///   - new: Its name patterns; nil if it needs no names followed.
  ///   - all: Whether names that none of them matches are followed too.
  ///   - kept: Hashes of the match rules that the client has through the gate's.
  ///   - hash: The hash of a name, or of a match rule's canonical text.
  func follow(_ new: [NamePattern]?, all: Bool = false, keeping kept: [UInt64] = [], hash: (RawSpan) -> UInt64) {
    let isFollowing = new != nil || all
    let new = new ?? []
    var numbers: [NamePattern: Int] = [:]
    for (number, pattern) in new.enumerated() { numbers[pattern] = number }
    table.renumber(patterns.map { numbers[$0] })
    patterns = new
    asked = [:]
    called = []
    calls = []
    nextCall = 0
    isReady = false
    followMatches(isFollowing ? Self.matches(for: new, all: all) : [], keeping: kept, hash: hash)
    if new.isEmpty && !all { return }
    if !all && new.count <= Self.singlesMax && new.allSatisfy(\.isExact) {
      for (number, pattern) in new.enumerated() {
        var set = NameSet()
        set.insert(number)
        calls.append(.getNameOwner(hash: hash(unsafe pattern.text.span.bytes), patterns: set, name: pattern.text))
      }
    } else {
      calls.append(.listNames)
    }
  }

  private func followMatches(_ rules: Set<[UInt8]>, keeping kept: [UInt64], hash: (RawSpan) -> UInt64) {
    var wanted: Set<UInt64> = []
    for rule in rules.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      guard let meaning = try? unsafe MatchRule(parsing: rule.span.bytes) else {
        preconditionFailure("the gate's own rule is none")
      }
      let hash = hash(unsafe meaning.canonicalText.span.bytes)
      wanted.insert(hash)
      if ownMatches[hash] == nil { calls.append(.addMatch(hash: hash, rule: rule)) }
    }
    for (hash, own) in ownMatches.sorted(by: { $0.value.text.lexicographicallyPrecedes($1.value.text) }) {
      ownMatches[hash]?.isWanted = wanted.contains(hash)
      if wanted.contains(hash) || kept.contains(hash) { continue }
      calls.append(.removeMatch(hash: hash, rule: own.text, times: own.count))
    }
  }

  /// The names of another connection to the same bus are followed from here on: what is known of unique names stays known.
  func inherit(from other: NameWatch) {
    table = other.table
    patterns = other.patterns
  }

  /// Numbers of the followed patterns that match `name`, a well-known one. Takes time in the number of patterns.
  func patterns(matching name: RawSpan) -> NameSet {
    var set = NameSet()
    for (number, pattern) in patterns.enumerated() where pattern.matches(name) { set.insert(number) }
    return set
  }

  /// All that was asked is answered: it is known who owns what.
  func settle() {
    isReady = true
    asked = [:]
    table.settle()
  }

  /// Nothing is known any more until it is asked for again.
  func lose() { isReady = false }

  // MARK: What the bus says

  /// A name has this owner: the rules' table has it if they ask for it, the log's if there is one.
  func setOwner(_ owner: UInt64, of hash: UInt64, _ name: RawSpan, _ patterns: NameSet) {
    if !patterns.isEmpty { table.setOwner(owner, of: hash, matchedBy: patterns) }
    ownerNames?.set(owner, of: hash, name)
  }

  /// A name has no owner any more.
  func release(_ hash: UInt64) { table.release(hash) }

  /// A unique name has left the bus; returns whether rules had to do with it.
  func leave(_ hash: UInt64) -> Bool {
    ownerNames?.leave(hash)
    return table.remove(hash)
  }

  /// There are more names than are asked for.
  func noteIncompleteness() { table.noteIncompleteness() }

  /// From now on names are kept in bytes, for the log.
  func keepNames(limit: Int) { ownerNames = OwnerNames(limit: limit) }

  /// The client uses, or asks about, the name with this hash.
  func mention(_ hash: UInt64) { ownerNames?.mention(hash) }

  // MARK: What the client knows

  /// The unique name with this hash is visible to the client from now on; returns whether that is news.
  func markVisible(_ hash: UInt64) -> Bool { table.markVisible(hash) }

  /// Whether a name that was called is to be noted, and can be.
  func mayNoteCalled(_ hash: UInt64) -> Bool { called.count < calledMax && !called.contains(hash) }

  /// The client called the well-known name with this hash, as a rule allowed.
  func noteCalled(_ hash: UInt64) { called.insert(hash) }

  /// Whether it did.
  func wasCalled(_ hash: UInt64) -> Bool { called.contains(hash) }

  // MARK: Following another policy

  /// Nothing is followed any more: what is known belongs to a policy that is gone.
  func stop(ownersMax: Int) {
    table = NameTable(limit: ownersMax)
    if ownerNames != nil { ownerNames = OwnerNames(limit: ownersMax) }
    called = []
    isReady = false
  }

  /// The match rules that bring what happens to these names, and who leaves the bus.
  private static func matches(for patterns: [NamePattern], all isEverything: Bool) -> Set<[UInt8]> {
    let all = Array(
      """
      type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',\
      member='NameOwnerChanged'
      """.utf8)
    if isEverything { return [all] }
    var rules: Set<[UInt8]> = []
    for pattern in patterns {
      let namespace = pattern.namespace
      if namespace.isEmpty { return [all] }
      rules.insert(all + Array((pattern.isExact ? ",arg0='" : ",arg0namespace='").utf8) + namespace + [UInt8(ascii: "'")])
    }
    if rules.count > singlesMax { return [all] }
    // Whatever is lost: a unique name that is gone is forgotten.
    rules.insert(all + Array(",arg2=''".utf8))
    return rules
  }

  // MARK: Match rules

  /// The match rule that the gate has at the bus, by the hash of its canonical text.
  func ownMatch(_ hash: UInt64) -> OwnMatch? { ownMatches[hash] }

  /// The gate's own rule is at the bus once more.
  func noteOwnMatchAgain(_ hash: UInt64) { ownMatches[hash]?.count += 1 }

  /// The gate has that rule no more.
  func giveUpOwnMatch(_ hash: UInt64) { ownMatches[hash] = nil }

  /// The client has a match rule that may ask for changes of owners.
  func subscribe(_ rule: MatchRule, _ hash: UInt64) { subscriptions.append((hash, rule)) }

  /// The client has that rule no more.
  func unsubscribe(_ hash: UInt64) {
    if let index = subscriptions.firstIndex(where: { $0.hash == hash }) { subscriptions.remove(at: index) }
  }

  /// Whether the client asked to be told of this change.
  func isSubscribed(name: RawSpan, oldOwner: RawSpan, newOwner: RawSpan) -> Bool {
    for match in subscriptions where match.rule.asksForOwnerChange(name: name, oldOwner: oldOwner, newOwner: newOwner) {
      return true
    }
    return false
  }
}
