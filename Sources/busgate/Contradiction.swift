// Documents that contradict each other: one allows what another denies, word for word. The deny rule wins, which at least one of their
// authors did not know. `busgatectl check` finds what is covered without being the same.

import GatePolicy

/// A rule of one file that a rule of another undoes.
struct Contradiction: CustomStringConvertible {
  private let allowed: SourceLocation
  private let denied: SourceLocation
  private let more: Int

  var description: String {
    "\(allowed): warning: \(denied) denies what this rule allows, and a deny rule wins, expected one of the two"
      + (more > 0 ? "; \(more) more like it" : "")
  }

  /// What a rule is about: all that two must share for the one to undo the other.
  private struct Subject: Hashable {
    let outgoing: Bool
    let incoming: Bool
    let interface: [UInt8]
    let objectPath: [UInt8]
    let method: [UInt8]
    let methodCalls: Bool
    let signals: Bool
    let name: NamePattern?
  }

  private static func subjects(_ rule: GatewayRule) -> [Subject] {
    rule.methods.map { method in
      Subject(
        outgoing: rule.outgoing, incoming: rule.incoming, interface: rule.interface.pattern, objectPath: rule.objectPath.pattern,
        method: method.pattern, methodCalls: rule.methodCalls, signals: rule.signals, name: rule.name)
    }
  }

  /// The first of them, in order of the rules; nil if there is none. Costs nothing where nothing is denied.
  static func first(in rules: [GatewayRule]) -> Contradiction? {
    var denied: [Subject: SourceLocation] = [:]
    // With a bound of descriptors a deny rule leaves something of what it names.
    for rule in rules where rule.action == .deny && rule.maxFDs == nil {
      for subject in subjects(rule) { denied[subject] = rule.location }
    }
    if denied.isEmpty { return nil }
    var found: (allowed: SourceLocation, denied: SourceLocation)?
    var count = 0
    for rule in rules where rule.action == .allow {
      for subject in subjects(rule) {
        guard let place = denied[subject], place.file != rule.location.file else { continue }
        count += 1
        if found == nil { found = (rule.location, place) }
      }
    }
    return found.map { Contradiction(allowed: $0.allowed, denied: $0.denied, more: count - 1) }
  }
}
