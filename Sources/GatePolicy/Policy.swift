// The compiled rules for one bus: what they say about a message, and nothing else. Immutable; a reload makes another. The order
// of the whole decision (replies, driver, limits) is the caller's, which asks here with a RuleQuery.
//
// How a match is found: the deny rules of the direction first, if there are any, then the allow rules. Each set is searched by
// the hash of the exact interface, then among the rules for every interface, then through the other globs; a search ends at the
// first rule that is not before the best one found. Nothing is allocated, retained or turned into text on the way.

import Synchronization

/// An immutable set of rules, compiled for matching. Any number of threads may match at a time.
///
/// Source: configs/README.md, "The language, in ten minutes".
public final class Policy: Sendable {
  /// The rules as they were given, behind them those that `names` stands for; indices of `RuleMatch` refer to them.
  public let rules: [GatewayRule]
  /// How many of the rules were given as rules.
  public let givenRuleCount: Int
  /// The names that were given; nil: none were, and the driver tells of everybody.
  public let names: NameRules?
  /// What messages to people call the bus, `SESSION` for example.
  public let busName: String
  /// A number that no other policy of this process has, so that what was matched under one is not taken for matched under another.
  public let identity: UInt64
  /// Whether anything hangs on who owns which name, so that a session has to follow that.
  public let followsNames: Bool
  /// The name patterns of all rules and entries, each once. A ``NameSet`` has indices of this array.
  public let namePatterns: [NamePattern]
  /// The level of each pattern.
  private let nameLevels: [NameLevel]
  private let compiled: CompiledRules
  private let starts: StartRules
  private let allowOutgoing: RuleTable
  private let allowIncoming: RuleTable
  private let denyOutgoing: RuleTable
  private let denyIncoming: RuleTable

  private static let identities = Atomic<UInt64>(0)

  /// Compiles `rules`, whose order does not matter to any verdict. Takes linear time.
  ///
  /// Inert rules, and rules with an empty pattern where something must be named, match nothing and keep their index.
  /// - Parameters:
  ///   - rules: of all documents for this bus, at most 2³¹ - 1.
  ///   - names: which names are visible; nil: all are.
  ///   - busName: `SESSION`, `SYSTEM` or a label.
  public init(rules given: [GatewayRule], names: NameRules? = nil, busName: String) {
    rules = given + (names?.rules ?? [])
    givenRuleCount = given.count
    self.names = names
    self.busName = busName
    identity = Policy.identities.wrappingAdd(1, ordering: .relaxed).newValue
    var numbers: [NamePattern: Int] = [:]
    var levels: [NameLevel] = []
    func note(_ pattern: NamePattern, _ level: NameLevel) {
      if let number = numbers[pattern] {
        levels[number] = max(levels[number], level)
      } else {
        numbers[pattern] = levels.count
        levels.append(level)
      }
    }
    for entry in names?.entries ?? [] { note(entry.pattern, entry.level) }
    // What the driver is asked about the names of an allow rule is answered as with `talk`. What a rule lets through is no secret.
    for rule in given { if let name = rule.name { note(name, rule.action == .allow ? .talk : .none) } }
    namePatterns = numbers.sorted { $0.value < $1.value }.map(\.key)
    nameLevels = levels
    followsNames = names != nil || !levels.isEmpty
    let compiler = PolicyCompiler.compile(rules, nameNumbers: numbers)
    compiled = compiler.compiledRules
    starts = StartRules(rules, hash: compiler.hash)
    allowOutgoing = compiler.allowOutgoing
    allowIncoming = compiler.allowIncoming
    denyOutgoing = compiler.denyOutgoing
    denyIncoming = compiler.denyIncoming
  }

  /// What the rules say about a message: denied if a deny rule matches, else allowed if an allow rule does.
  ///
  /// The work grows with the rules that name this interface and with those whose interface has a wildcard, not with the others.
  /// - Parameters:
  ///   - query: what is asked about the message. Its name is asked about only if ``followsNames``, as is `peer`.
  ///   - peer: what is known about the other end besides.
  public func match(_ query: RuleQuery, peer: MessagePeer = MessagePeer()) -> RuleMatch {
    let denied = matchDeny(query, peer: peer)
    if denied.outcome != .none { return denied }
    let table = query.direction == .outgoing ? allowOutgoing : allowIncoming
    if table.isEmpty { return .none }
    return compiled.match(.allow, by: firstRule(of: table, query, peer))
  }

  /// What the deny rules alone say, for messages that pass without an allow rule. The outcome is `deny` or `none`.
  ///
  /// Parameters as for `match`. Without a deny rule for the direction this costs nothing.
  public func matchDeny(_ query: RuleQuery, peer: MessagePeer = MessagePeer()) -> RuleMatch {
    let table = query.direction == .outgoing ? denyOutgoing : denyIncoming
    if table.isEmpty { return .none }
    let rule: Int?
    if query.interface.byteCount == 0 {
      rule =
        followsNames
        ? compiled.firstRuleForAnyInterface(of: table, query, peer: peer)
        : compiled.firstRuleForAnyInterface(of: table, query, peer: AnyPeer())
    } else {
      rule = firstRule(of: table, query, peer)
    }
    return compiled.match(.deny, by: rule)
  }

  /// As `match`, but an allow rule counts only if it names INTERFACE and MEMBER without a wildcard, for calls that nothing broad
  /// may let through. Deny rules count as they stand.
  ///
  /// Parameters as for `match`. A call without interface is never allowed here.
  public func matchLiteral(_ query: RuleQuery, peer: MessagePeer = MessagePeer()) -> RuleMatch {
    let denied = matchDeny(query, peer: peer)
    if denied.outcome != .none { return denied }
    let table = query.direction == .outgoing ? allowOutgoing : allowIncoming
    if table.isEmpty { return .none }
    let rule =
      followsNames
      ? compiled.firstLiteralRule(of: table, query, peer: peer)
      : compiled.firstLiteralRule(of: table, query, peer: AnyPeer())
    return compiled.match(.allow, by: rule)
  }

  /// Whether the service `name` may be started: the outcome is `allow` or `none`.
  ///
  /// The rule is one that lets some method call to that name pass, unless a deny rule meets all of its calls. Such a call would start the
  /// service anyway. Rules that name an interface of the bus itself do not count: they are about the bus.
  /// Takes time in the number of patterns for names, not in the number of rules.
  public func matchStart(of name: RawSpan) -> RuleMatch {
    guard let rule = starts.rule(opening: name) else { return .none }
    return RuleMatch(outcome: .allow, rule: rule, log: rules[Int(rule)].log)
  }

  /// As in ``CompiledRules``. Asks about names only where a rule has one.
  @inline(__always)
  private func firstRule(of table: RuleTable, _ query: RuleQuery, _ peer: MessagePeer) -> Int? {
    followsNames
      ? compiled.firstRule(of: table, query, peer: peer)
      : compiled.firstRule(of: table, query, peer: AnyPeer())
  }

  // MARK: Names

  /// The patterns that match `name`, a well-known one. Takes time in the number of patterns.
  public func patterns(matching name: RawSpan) -> NameSet {
    var set = NameSet()
    for (number, pattern) in namePatterns.enumerated() where pattern.matches(name) { set.insert(number) }
    return set
  }

  /// The highest level among these patterns.
  public func level(of set: NameSet) -> NameLevel {
    var highest = NameLevel.none
    set.forEach { highest = max(highest, nameLevels[$0]) }
    return highest
  }

  /// The level of `name`, a well-known one. Takes time in the number of patterns.
  public func level(of name: RawSpan) -> NameLevel {
    var highest = NameLevel.none
    for (number, pattern) in namePatterns.enumerated() where nameLevels[number] > highest && pattern.matches(name) {
      highest = nameLevels[number]
    }
    return highest
  }
}
