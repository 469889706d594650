// Looks for what is legal and hardly meant in the rules for one bus. The lints that look at one rule are in Linter+Rule.swift, those
// that compare rules here. Policies of ten thousand rules take seconds.

import GatePolicy
import GateSession

/// Checks the rules of one bus.
public struct Linter {
  /// All rules, those that stand for `names` behind the given ones.
  let rules: [GatewayRule]
  private let givenCount: Int
  private let outline: RuleOutline
  private var findings: [Finding] = []

  /// A check of `policy`, which has all rules that apply to one bus together.
  ///
  /// - Parameter outline: places of their documents.
  public init(_ policy: Policy, outline: RuleOutline) {
    rules = policy.rules
    givenCount = policy.givenRuleCount
    self.outline = outline
  }

  /// What is found, in order of the rules.
  ///
  /// - Parameter progress: called now and then with how many rules have been looked at.
  public mutating func run(progress: (Int) -> Void = { _ in }) -> [Finding] {
    findings = []
    let index = ShadowIndex(rules)
    let incomingCalls = interfaces { $0.incoming && $0.methodCalls && !$0.signals }
    let outgoingCalls = interfaces { $0.outgoing && $0.methodCalls && !$0.signals }
    for (number, rule) in rules.prefix(givenCount).enumerated() where !rule.isInert {
      if number % 256 == 0 { progress(number) }
      if !checkPatterns(rule) || !checkMeetings(rule) { continue }
      checkWidth(rule)
      checkWords(rule)
      checkDirection(rule, called: outgoingCalls, offered: incomingCalls)
      if !checkShadow(number, rule, index) { checkDeny(rule) }
    }
    progress(givenCount)
    return findings
  }

  /// Notes something about a whole rule.
  private mutating func report(_ lint: Lint, _ rule: GatewayRule, _ message: String) {
    findings.append(Finding(lint, at: rule.location, message))
  }

  /// Notes something about the value of a key, or about its element at `index`.
  mutating func report(_ lint: Lint, _ rule: GatewayRule, _ key: RulePart, at index: Int = 0, _ message: String) {
    findings.append(Finding(lint, at: outline.location(of: key.rawValue, in: rule, at: index), message))
  }

  /// Interfaces that allow rules of a kind name.
  private func interfaces(where isOfKind: (GatewayRule) -> Bool) -> Set<[UInt8]> {
    Set(rules.filter { $0.action == .allow && $0.interface.isLiteral && isOfKind($0) }.map(\.interface.pattern))
  }

  // MARK: Rules beside each other

  /// Whether another rule decides about everything that the rule at `number` speaks about.
  private mutating func checkShadow(_ number: Int, _ rule: GatewayRule, _ index: ShadowIndex) -> Bool {
    var shadow: (rule: GatewayRule, isSame: Bool)?
    for other in index.candidates(for: rule) where other != number {
      let candidate = rules[other]
      // An allow rule takes nothing away from a deny rule.
      if candidate.action == .allow && rule.action == .deny { continue }
      if !candidate.covers(rule) { continue }
      let isSame = candidate.action == rule.action && rule.covers(candidate)
      // Of two that are the same, the later one is told of.
      if isSame && other > number { continue }
      // What decides first is logged as that rule says.
      if candidate.action == rule.action && candidate.log != rule.log { continue }
      if shadow == nil || !isSame { shadow = (candidate, isSame) }
      if !isSame { break }
    }
    guard let shadow else { return false }
    let place = "\(shadow.rule.location.file):\(shadow.rule.location.line)"
    if shadow.isSame {
      report(.duplicate, rule, "the rule says the same as the one at \(place), expected it once")
    } else if shadow.rule.action == .deny && rule.action == .allow {
      report(
        .shadowed, rule, "the rule allows nothing, because the deny rule at \(place) stops all of it, expected one of the two")
    } else {
      report(.shadowed, rule, "the rule changes nothing, because the one at \(place) covers it, expected one of the two")
    }
    return true
  }

  /// A deny rule has to stop something that would pass.
  private mutating func checkDeny(_ rule: GatewayRule) {
    // One that says what is logged of what it stops is there for that.
    if rule.action == .allow || rule.log != nil { return }
    if rules.contains(where: { $0.action == .allow && !$0.isInert && $0.overlaps(rule) }) { return }
    if rule.outgoing && rule.methodCalls && stopsDriverMethod(rule) { return }
    report(.idleDeny, rule, "the deny rule stops nothing that any rule allows, expected an allow rule that it narrows, or none")
  }

  /// Whether a method of the bus that needs no rule is stopped. Hello is not: no rule takes it away.
  private func stopsDriverMethod(_ rule: GatewayRule) -> Bool {
    Driver.methods.contains { method in
      method.access == .always && method.inspection != .hello && rule.interface.matches(Array("\(method.interface)".utf8))
        && rule.methods.contains { $0.matches(Array("\(method.member)".utf8)) }
    }
  }
}
