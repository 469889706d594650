// What a session has besides when its policy has names: who owns which, what it asked the bus for that, and what the client asked for. One
// object per such session; a session without names has none.

import DBusWire
import GatePolicy

/// The state of following names for one client.
final class NameWatch {
  /// A call of the gate's own that is still to be made.
  enum OwnCall {
    case addMatch([UInt8])
    case removeMatch([UInt8])
    case listNames
    case getNameOwner(hash: UInt64, patterns: NameSet, name: [UInt8])
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

  var table: NameTable
  /// Whether it is known who owns what: until then the client's calls and signals wait.
  var isReady = false
  /// Calls still to be made, in order, from `nextCall` on.
  private var calls: [OwnCall] = []
  private var nextCall = 0
  /// Calls that were made and are not answered.
  var pendingCount = 0
  /// The names whose owners were asked for, by their hashes.
  var asked: [UInt64: Asked] = [:]
  /// Names in bytes, if the log may want them.
  var ownerNames: OwnerNames?
  /// The match rules that the gate has at the bus.
  private(set) var ownMatches: Set<[UInt8]> = []
  /// The name patterns of the policy that is followed.
  private(set) var patterns: [NamePattern] = []

  /// Match rules that the client added since names are followed, as often as it did.
  private var clientMatches: [(hash: UInt64, rule: MatchRule)] = []
  /// Whether the client may have added others before: then it is told whatever it may know.
  let hearsEverything: Bool
  /// Hashes of well-known names that no pattern matches and that the client called, as a rule allowed.
  var called: Set<UInt64> = []

  init(ownersMax: Int, hearsEverything: Bool) {
    table = NameTable(limit: ownersMax)
    self.hearsEverything = hearsEverything
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
    case .addMatch(let rule): ownMatches.insert(rule)
    case .removeMatch(let rule): ownMatches.remove(rule)
    case .listNames, .getNameOwner: break
    }
    return call
  }

  func add(_ call: OwnCall) { calls.append(call) }

  /// Whether nothing is to be asked any more.
  var isIdle: Bool { pendingCount == 0 && nextCall == calls.count }

  /// Follows the names of another policy: what is to be asked of the bus for it.
  ///
  /// - Parameters:
  ///   - new: Its name patterns; nil if it needs no names followed.
  ///   - all: Whether names that none of them matches are followed too.
  ///   - hash: The hash of a name.
  func follow(_ new: [NamePattern]?, all: Bool, hash: (RawSpan) -> UInt64) {
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
    let wanted = isFollowing ? Self.matches(for: new, all: all) : []
    for rule in wanted.subtracting(ownMatches).sorted(by: { $0.lexicographicallyPrecedes($1) }) { calls.append(.addMatch(rule)) }
    for rule in ownMatches.subtracting(wanted).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      calls.append(.removeMatch(rule))
    }
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

  // MARK: The client's match rules

  func addMatch(_ rule: MatchRule, _ hash: UInt64) { clientMatches.append((hash, rule)) }

  func removeMatch(_ hash: UInt64) {
    if let index = clientMatches.lastIndex(where: { $0.hash == hash }) { clientMatches.remove(at: index) }
  }

  /// Whether the client asked to be told of this change.
  func isHeard(name: RawSpan, oldOwner: RawSpan, newOwner: RawSpan) -> Bool {
    if hearsEverything { return true }
    for match in clientMatches where match.rule.asksForOwnerChange(name: name, oldOwner: oldOwner, newOwner: newOwner) {
      return true
    }
    return false
  }
}
