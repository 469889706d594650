// The arrays of a compiled policy, and the search through them. Made by PolicyCompiler, owned and called by Policy.
//
// A rule's place is its index in the array `rules` here. Places within a group, within `everything` and within `globs` are in the order of
// the rules' own indices. So a walk ends at the first match, and at the best one that was found elsewhere.

/// All that a match looks at: five arrays of plain values, which refer to each other by index.
struct CompiledRules: ~Copyable, Sendable {
  let hash: InterfaceHash
  /// The bytes of all patterns.
  let arena: [UInt8]
  /// The method patterns of all rules, those of a rule side by side.
  let methods: [CompiledPattern]
  /// The rules of all tables.
  let rules: [CompiledRule]
  /// The groups of all tables, by slot.
  let groups: [InterfaceGroup]
  /// Where each slot's groups begin; each table has one more than slots, for the end.
  let slots: [UInt32]

  /// The first rule of `table` that matches, or nil. A message without interface is matched only by rules for every interface.
  @inline(__always)
  func firstRule(of table: RuleTable, _ query: RuleQuery, peer: some PeerTest) -> Int? {
    let interface = query.interface
    var best: Int?
    var limit = Int32.max
    if interface.byteCount != 0 {
      let group = places(naming: interface, of: table)
      for place in group where matches(place, query, peer) {
        best = place
        limit = rules.span[place].index
        break
      }
    }
    for place in table.everything {
      if rules.span[place].index >= limit { break }
      if matches(place, query, peer) {
        best = place
        limit = rules.span[place].index
        break
      }
    }
    if interface.byteCount == 0 { return best }
    for place in table.globs {
      if rules.span[place].index >= limit { break }
      if pattern(rules.span[place].interface, matches: interface), matches(place, query, peer) {
        return place
      }
    }
    return best
  }

  /// The first rule of `table` that matches when no interface is asked for, or nil. Takes time in the number of rules.
  func firstRuleForAnyInterface(of table: RuleTable, _ query: RuleQuery, peer: some PeerTest) -> Int? {
    var best: Int?
    var limit = Int32.max
    for place in table.places
    where rules.span[place].index < limit && matches(place, query, peer) {
      best = place
      limit = rules.span[place].index
    }
    return best
  }

  /// The first rule of `table` that matches and names interface and member without a wildcard, or nil.
  func firstLiteralRule(of table: RuleTable, _ query: RuleQuery, peer: some PeerTest) -> Int? {
    if query.interface.byteCount == 0 { return nil }
    for place in places(naming: query.interface, of: table) where matches(place, query, peer, literalMember: true) {
      return place
    }
    return nil
  }

  /// The rules of `table` that name `interface` without a wildcard.
  ///
  /// Visits at most `PolicyCompiler.slotLengthMax` names, unless the compiler found no hash with slots that short. Compares one name in
  /// full, or more if they share 32 bits of hash.
  @inline(__always)
  private func places(naming interface: RawSpan, of table: RuleTable) -> Range<Int> {
    let hash = hash(interface)
    let slot = table.slot(of: hash)
    let tag = UInt32(truncatingIfNeeded: hash >> 32)
    var i = Int(slots.span[slot])
    let end = Int(slots.span[slot + 1])
    while i < end {
      let group = groups.span[i]
      if group.tag == tag, pattern(group.name, matches: interface) {
        return group.places
      }
      i += 1
    }
    return 0..<0
  }

  /// Whether all but the interface matches.
  @inline(__always)
  private func matches(_ place: Int, _ query: RuleQuery, _ peer: some PeerTest, literalMember: Bool = false) -> Bool {
    let rule = rules.span[place]
    guard query.isSignal ? rule.signals : rule.methodCalls else { return false }
    guard query.descriptors >= Int(rule.descriptorsMin), query.descriptors <= Int(rule.descriptorsMax) else { return false }
    guard pattern(rule.path, matches: query.path) else { return false }
    guard peer.meets(rule, query.name, in: unsafe arena.span.bytes) else { return false }
    var i = Int(rule.firstMethod)
    let end = i + Int(rule.methodCount)
    while i < end {
      let method = methods.span[i]
      if pattern(method, matches: query.member), !literalMember || method.kind == .literal { return true }
      i += 1
    }
    return false
  }

  /// Whether `pattern`, one of this policy's, matches the whole of `text`. No padding is read: the arena has bytes only.
  @inline(__always)
  private func pattern(_ pattern: CompiledPattern, matches text: RawSpan) -> Bool {
    pattern.matches(text, in: unsafe arena.span.bytes)
  }

  /// What is returned for the rule at `place`.
  @inline(__always)
  func match(_ outcome: RuleMatch.Outcome, by place: Int?) -> RuleMatch {
    guard let place else { return .none }
    let rule = rules.span[place]
    return RuleMatch(outcome: outcome, rule: rule.index, log: rule.log)
  }
}
