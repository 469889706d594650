// Which services a client may ask the bus to start: those that it may call, since a call starts a service anyway. Made when a policy is
// compiled, of the rules as they were written; asked by Policy.
//
// A rule opens the start of the names that it speaks about, unless one deny rule meets every call that it lets through. Which deny rules do
// is found once. What is left is a list of names, and for each pattern of names the names that are closed.

import DBusWire

/// The names to which some outgoing allow rule would let a method call pass.
struct StartRules: Sendable {
  /// A name that may be started, by its hash.
  private struct Exact: Sendable {
    let hash: UInt64
    let name: [UInt8]
    let rule: Int32
  }

  /// What a rule opens that speaks about many names.
  private struct Opening: Sendable {
    let rule: Int32
    /// Nil: every name.
    let pattern: NamePattern?
    /// Of which these are closed.
    var closed: [NamePattern]
  }

  /// In order of their hashes.
  private var exact: [Exact] = []
  private var openings: [Opening] = []
  private let hash: InterfaceHash

  /// Looks through `rules`. Takes time in their number times that of the deny rules; deny rules that differ in their names alone count as
  /// one.
  init(_ rules: [GatewayRule], hash: InterfaceHash) {
    self.hash = hash
    var groups: [NamePattern?: [Int]] = [:]
    for index in rules.indices where rules[index].opensStarts { groups[rules[index].name, default: []].append(index) }
    if groups.isEmpty { return }
    let denials = Denials(rules)
    for (name, group) in groups {
      if let name, name.isExact {
        guard let rule = group.first(where: { Self.isOpen(rules[$0], name, denials) }) else { continue }
        exact.append(Exact(hash: hash(name.text), name: name.text, rule: Int32(rule)))
      } else {
        openings += Self.openings(of: name, group, rules, denials)
      }
    }
    exact.sort { $0.hash < $1.hash }
    openings.sort { $0.rule < $1.rule }
  }

  /// A rule by which `name` may be started, or nil. Takes time in the number of patterns for names.
  func rule(opening name: RawSpan) -> Int32? {
    if let rule = rule(naming: name) { return rule }
    for opening in openings where opening.pattern?.matches(name) ?? true {
      if !opening.closed.contains(where: { $0.matches(name) }) { return opening.rule }
    }
    return nil
  }

  private func rule(naming name: RawSpan) -> Int32? {
    if exact.isEmpty { return nil }
    let wanted = hash(name)
    var (low, high) = (0, exact.count)
    while low < high {
      let middle = (low + high) / 2
      if exact[middle].hash < wanted { low = middle + 1 } else { high = middle }
    }
    while low < exact.count, exact[low].hash == wanted {
      let known = exact[low]
      if unsafe known.name.span.bytes.isEqual(to: name) { return known.rule }
      low += 1
    }
    return nil
  }

  // MARK: Deny rules

  /// Whether `rule` lets some call to `name` pass.
  private static func isOpen(_ rule: GatewayRule, _ name: NamePattern, _ denials: Denials) -> Bool {
    rule.methods.contains { method in
      rule.letsCallsPass(of: method) && !denials.meetingAll(of: rule, method).contains { denials.kinds[$0].isAbout(name) }
    }
  }

  /// What the rules of one pattern, or of no name, open: one opening if something is open whatever the name.
  private static func openings(
    of pattern: NamePattern?, _ group: [Int], _ rules: [GatewayRule], _ denials: Denials
  ) -> [Opening] {
    var found: [Opening] = []
    var seen: Set<[Int]> = []
    for index in group {
      for method in rules[index].methods where rules[index].letsCallsPass(of: method) {
        let meeting = denials.meetingAll(of: rules[index], method)
        if !seen.insert(meeting).inserted { continue }
        if meeting.contains(where: { denials.kinds[$0].isAboutAll(of: pattern) }) { continue }
        let opening = Opening(rule: Int32(index), pattern: pattern, closed: meeting.flatMap { denials.kinds[$0].names })
        if opening.closed.isEmpty { return [opening] }
        found.append(opening)
      }
    }
    return found
  }

  /// The deny rules that stop calls whatever they carry. Those that differ in their names alone are one kind.
  private struct Denials {
    struct Kind {
      let rule: GatewayRule
      var isNameless = false
      var exactNames: Set<NamePattern> = []
      var otherNames: [NamePattern] = []

      var names: [NamePattern] { exactNames + otherNames }

      func isAbout(_ name: NamePattern) -> Bool {
        isNameless || exactNames.contains(name) || otherNames.contains { $0.matches(name.text) }
      }

      func isAboutAll(of pattern: NamePattern?) -> Bool {
        isNameless || pattern.map { otherNames.contains($0) } ?? false
      }

      mutating func add(_ name: NamePattern?) {
        if let name {
          if name.isExact { exactNames.insert(name) } else { otherNames.append(name) }
        } else {
          isNameless = true
        }
      }
    }

    private(set) var kinds: [Kind] = []
    /// Kinds by their interface, if that is literal, and the others.
    private var byInterface: [[UInt8]: [Int]] = [:]
    private var others: [Int] = []

    init(_ rules: [GatewayRule]) {
      var known: [[[UInt8]]: Int] = [:]
      // A deny rule with `max-fds` lets through what carries none.
      for rule in rules where rule.action == .deny && rule.speaksAboutOutgoingCalls && rule.maxFDs == nil {
        let key = [rule.interface.pattern, rule.objectPath.pattern] + rule.methods.map(\.pattern)
        let number = known[key] ?? kinds.count
        if number == kinds.count {
          known[key] = number
          kinds.append(Kind(rule: rule))
          if rule.interface.isLiteral {
            byInterface[rule.interface.pattern, default: []].append(number)
          } else {
            others.append(number)
          }
        }
        kinds[number].add(rule.name)
      }
    }

    /// The kinds that meet every call of this method that `rule` lets through, whatever the name.
    func meetingAll(of rule: GatewayRule, _ method: Glob) -> [Int] {
      func meetsAll(_ number: Int) -> Bool {
        let denial = kinds[number].rule
        return denial.interface.includes(rule.interface) && denial.objectPath.includes(rule.objectPath)
          && denial.methods.contains { $0.includes(method) }
      }
      return others.filter(meetsAll) + (byInterface[rule.interface.pattern] ?? []).filter(meetsAll)
    }
  }
}

extension GatewayRule {
  fileprivate var speaksAboutOutgoingCalls: Bool { outgoing && methodCalls && canMatch && delivery == .any }

  /// Whether the rule is one whose calls may start services. One that names an interface of the bus is about the bus, unless services
  /// have that interface too and the rule says which it means.
  fileprivate var opensStarts: Bool {
    if action == .deny || !speaksAboutOutgoingCalls || interface.pattern.isEmpty { return false }
    if Self.driverInterfaces.contains(interface.pattern) { return false }
    return name != nil || !Self.sharedDriverInterfaces.contains(interface.pattern)
  }

  /// Whether there are legal calls of `method`, one of the rule's, that it meets, as far as that is seen without a wildcard.
  fileprivate func letsCallsPass(of method: Glob) -> Bool {
    let (interfaceText, path, member) = (interface.pattern, objectPath.pattern, method.pattern)
    if interface.isLiteral && !NameGrammar.isInterface(unsafe interfaceText.span.bytes) { return false }
    if objectPath.isLiteral && !NameGrammar.isObjectPath(unsafe path.span.bytes) { return false }
    return !method.isLiteral || NameGrammar.isMember(unsafe member.span.bytes)
  }
}
