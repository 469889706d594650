// Who owns which name, as a naive gate remembers it: in text, by what the bus has said. What that opens and hides is ReferenceGate's.
// Written from the contract's "Names" and xdg-dbus-proxy(1); it shares no code with the session.

/// What one connection knows of the names on the bus.
package struct ReferenceNames {
  /// A call of the gate's own.
  enum OwnCall: Equatable {
    case addMatch(String), removeMatch(String), listNames, getNameOwner(String), releaseName(String)
  }

  /// Calls of the gate's own that are under way at a time.
  private static let callsMax = 32
  /// More than so many are not asked for one by one.
  private static let singlesMax = 16

  /// Whether it is known who owns what.
  private(set) var isReady = false
  private(set) var patterns: [String] = []
  private var queue: [OwnCall] = []
  private var pending = 0
  /// The match rules that the gate has at the bus: how often, and whether the policy in force needs them.
  private(set) var matches: [String: (count: Int, isWanted: Bool)] = [:]
  /// Who owns a name, or owned it last.
  private var lastOwner: [String: String] = [:]
  /// Patterns of the names that a unique name ever owned; and those that it owned before the last reload, until it is known better.
  private var ever: [String: Set<String>] = [:], kept: [String: Set<String>] = [:]
  /// Whether owners of all names are asked for, whatever patterns there are.
  private var asksForAll = false
  /// Names whose owners were asked for since the last reload.
  private var asked: Set<String> = []
  var contacts: Set<String> = []
  /// Names beyond the patterns that the client called.
  var called: Set<String> = []

  // MARK: What is known

  /// Patterns of the names that `unique` ever owned.
  func everOwned(_ unique: String) -> Set<String> { ever[unique] ?? [] }

  /// Patterns of the names that `unique` was last known to own.
  func owned(_ unique: String) -> Set<String> { known(unique).union(kept[unique] ?? []) }

  private func known(_ unique: String) -> Set<String> {
    let names = lastOwner.filter { $0.value == unique }.keys
    return Set(patterns.filter { pattern in names.contains { Self.matches(pattern, $0) } })
  }

  func isKnownToAnyPattern(_ name: String) -> Bool { patterns.contains { Self.matches($0, name) } }

  private func isAskedAbout(_ name: String) -> Bool { isKnownToAnyPattern(name) || asksForAll && !name.hasPrefix(":") }

  // MARK: What the bus says

  /// `name` has this owner, or none any more.
  mutating func change(_ name: String, _ owner: String) {
    if name.hasPrefix(":") {
      if owner.isEmpty { forget(name) }
    } else if !owner.isEmpty && isKnownToAnyPattern(name) {
      let last = lastOwner[name]
      if last == owner { return }
      lastOwner[name] = owner
      ever[owner, default: []].formUnion(patterns.filter { Self.matches($0, name) })
      guard let last else { return }
      let left = known(last)
      for pattern in patterns where Self.matches(pattern, name) && !left.contains(pattern) { kept[last]?.remove(pattern) }
    }
  }

  private mutating func forget(_ unique: String) {
    (ever[unique], kept[unique]) = (nil, nil)
    contacts.remove(unique)
    lastOwner = lastOwner.filter { $0.value != unique }
  }

  /// What the bus says when it is asked for everything at once.
  mutating func learn(_ owners: [String: String]) {
    for (name, owner) in owners.sorted(by: { $0.key < $1.key }) { change(name, owner) }
    (isReady, kept, asked, queue) = (true, [:], [], [])
  }

  // MARK: What the gate asks

  /// Another policy: nil if it has no names. `clients`: match rules that the client has through the gate's.
  mutating func follow(_ new: [String]?, all: Bool = false, keeping clients: Set<String>) {
    asksForAll = all
    var owned: [String: Set<String>] = [:]
    for unique in ever.keys { owned[unique] = self.owned(unique).intersection(new ?? []) }
    ever = ever.mapValues { $0.intersection(new ?? []) }
    (kept, lastOwner, asked, called, queue, isReady) = (owned, [:], [], [], [], false)
    patterns = new ?? []
    let wanted = all ? Self.rules(["*.*"]) : new.map(Self.rules) ?? []
    queue += wanted.subtracting(matches.keys).sorted().map { .addMatch($0) }
    for rule in matches.keys.sorted() {
      matches[rule]?.isWanted = wanted.contains(rule)
      if wanted.contains(rule) || clients.contains(rule) { continue }
      queue.append(.removeMatch(rule))
    }
    if patterns.isEmpty && !all { return }
    if !all && patterns.count <= Self.singlesMax && !patterns.contains(where: Self.isWild) {
      queue += patterns.map { .getNameOwner($0) }
    } else {
      queue.append(.listNames)
    }
  }

  /// Nothing is known any more.
  mutating func stop() {
    (ever, kept, lastOwner, contacts, called, isReady) = ([:], [:], [:], [], [], false)
  }

  /// The calls to make now.
  mutating func takeCalls() -> [OwnCall] {
    var made: [OwnCall] = []
    while pending < Self.callsMax, let call = queue.first {
      queue.removeFirst()
      made.append(call)
      pending += 1
      if case .removeMatch(let rule) = call {
        made += Array(repeating: call, count: (matches[rule]?.count ?? 1) - 1)
      }
      switch call {
      case .addMatch(let rule): matches[rule] = (1, true)
      case .removeMatch(let rule):
        matches[rule] = nil
        pending -= 1  // asks for no answer
      case .getNameOwner(let name): asked.insert(name)
      case .listNames, .releaseName: break
      }
    }
    if queue.isEmpty && pending == 0 && !isReady { (isReady, kept, asked) = (true, [:], []) }
    return made
  }

  /// The gate's own rule is added to the bus once more.
  mutating func addAgain(_ rule: String) {
    matches[rule]?.count += 1
    pending += 1
  }

  /// The gate's own rule is taken from the bus.
  mutating func remove(_ rule: String) { matches[rule] = nil }

  /// The bus answered: true if that can be gone on with. `texts`: what the answer says, nil if that is not what it should be.
  mutating func take(_ call: OwnCall, succeeded: Bool, _ texts: [String]?) -> Bool {
    pending -= 1
    switch call {
    case .addMatch, .removeMatch, .releaseName: return succeeded
    case .listNames:
      guard succeeded, let texts else { return false }
      for name in texts where name != ReferenceGate.driver && isAskedAbout(name) { queue.append(.getNameOwner(name)) }
    case .getNameOwner(let name):
      if !succeeded || !asked.contains(name) { return true }
      guard let owner = texts?.first else { return false }
      change(name, owner)
    }
    return true
  }

  /// The match rules that bring what happens to these names.
  private static func rules(_ patterns: [String]) -> Set<String> {
    let all =
      "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged'"
    var rules: Set<String> = []
    for pattern in patterns {
      if !isWild(pattern) {
        rules.insert(all + ",arg0='\(pattern)'")
      } else {
        let plain = pattern.prefix { $0 != "*" && $0 != "?" }
        guard let dot = plain.lastIndex(of: ".") else { return [all] }
        rules.insert(all + ",arg0namespace='\(plain[..<dot])'")
      }
    }
    return rules.count > singlesMax ? [all] : rules.union([all + ",arg2=''"])
  }

  // MARK: Patterns

  private static func isWild(_ pattern: String) -> Bool { pattern.contains("*") || pattern.contains("?") }

  /// A name alone; a name and all below it; or a glob, which also has what it matches without its last element if that is `*`.
  package static func matches(_ pattern: String, _ name: String) -> Bool {
    if name.isEmpty || name.hasPrefix(":") { return false }
    if !pattern.hasSuffix(".*") { return ReferencePolicy.matches(pattern, name) }
    let base = String(pattern.dropLast(2))
    if !isWild(base) { return name == base || name.hasPrefix(base + ".") }
    return ReferencePolicy.matches(pattern, name) || ReferencePolicy.matches(base, name)
  }
}
