// The rules' semantics, written down again as plainly as possible, to compare the compiled policy with. Slow on purpose: text by
// character, every rule in turn, no index, nothing shared with the module but its input types.

@testable import GatePolicy

/// Whether `pattern` matches the whole of `text`, by trying everything.
func referenceMatches(_ pattern: Substring, _ text: Substring) -> Bool {
  guard let first = pattern.unicodeScalars.first else { return text.isEmpty }
  let rest = Substring(pattern.unicodeScalars.dropFirst())
  if first == "*" {
    return referenceMatches(rest, text)
      || (!text.isEmpty && referenceMatches(pattern, Substring(text.unicodeScalars.dropFirst())))
  }
  guard let next = text.unicodeScalars.first, first == "?" || first == next else { return false }
  return referenceMatches(rest, Substring(text.unicodeScalars.dropFirst()))
}

/// The answer that `policy` should give to `question` about `message`.
func referenceAnswer(_ rules: [GatewayRule], _ question: Policy.Question, _ message: Message) -> (RuleMatch.Outcome, Int) {
  for (index, rule) in rules.enumerated() where rule.action == .deny && referenceApplies(rule, message, literally: false) {
    return (.deny, index)
  }
  if question == .matchDeny { return (.none, -1) }
  for (index, rule) in rules.enumerated() where rule.action == .allow {
    if referenceApplies(rule, message, literally: question == .matchLiteral) { return (.allow, index) }
  }
  return (.none, -1)
}

/// Whether `rule` matches `message`; `literally`: by naming interface and member without wildcard.
private func referenceApplies(_ rule: GatewayRule, _ message: Message, literally: Bool) -> Bool {
  let interface = String(decoding: rule.interface.pattern, as: UTF8.self)
  if !(message.direction == .outgoing ? rule.outgoing : rule.incoming) { return false }
  if !(message.isSignal ? rule.signals : rule.methodCalls) { return false }
  if let maxFDs = rule.maxFDs, (message.descriptors <= maxFDs) != (rule.action == .allow) { return false }
  if message.interface.isEmpty {
    if rule.action == .allow && interface != "*" { return false }
  } else if !names(interface, message.interface) {
    return false
  }
  if literally && (interface.contains("*") || interface.contains("?")) { return false }
  if !names(String(decoding: rule.objectPath.pattern, as: UTF8.self), message.path) { return false }
  return rule.methods.map { String(decoding: $0.pattern, as: UTF8.self) }.contains { method in
    names(method, message.member) && !(literally && (method.contains("*") || method.contains("?")))
  }
}

private func names(_ pattern: String, _ text: String) -> Bool { !pattern.isEmpty && referenceMatches(pattern[...], text[...]) }
