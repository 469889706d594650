// Which names some call may go to, found the way a person tries: a handful of calls that a rule was written for are made up, and each deny
// rule is held against all of them.

extension ReferencePolicy {
  /// The bus's own interfaces: a rule that names one of these is about the bus.
  private static let ofTheBus = [
    "org.freedesktop.DBus", "org.freedesktop.DBus.Monitoring", "org.freedesktop.DBus.Debug.Stats",
    "org.freedesktop.DBus.Containers1", "org.freedesktop.DBus.Verbose",
  ]
  /// And those that services have too: then only a name says who is meant.
  private static let ofEverybody = [
    "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Properties", "org.freedesktop.DBus.Introspectable",
  ]

  /// Whether a rule lets some method call to `name` pass that no single deny rule was written to stop with all its like.
  package func opensSomeCall(to name: String) -> Bool {
    rules.contains { rule in
      if rule.isDeny || rule.direction == "incoming" || rule.type == "signal" { return false }
      if Self.ofTheBus.contains(rule.interface) || rule.name == nil && Self.ofEverybody.contains(rule.interface) { return false }
      if let pattern = rule.name, !ReferenceNames.matches(pattern, name) { return false }
      return rule.methods.contains { method in !rules.contains { stops($0, all: rule, method, to: name) } }
    }
  }

  private func stops(_ denial: Rule, all rule: Rule, _ method: String, to name: String) -> Bool {
    guard denial.isDeny, denial.direction != "incoming", denial.type != "signal", denial.descriptorsMax == nil else {
      return false
    }
    if let pattern = denial.name, !ReferenceNames.matches(pattern, name) { return false }
    return Self.texts(rule.interface).allSatisfy { Self.matches(denial.interface, $0) }
      && Self.texts(rule.path).allSatisfy { Self.matches(denial.path, $0) }
      && denial.methods.contains { denied in Self.texts(method).allSatisfy { Self.matches(denied, $0) } }
  }

  /// Texts that a pattern matches, as different from each other as its wildcards allow.
  private static func texts(_ pattern: String) -> [String] {
    var texts = [""]
    for character in pattern {
      let choices = character == "*" ? ["", "z", "q.zz"] : character == "?" ? ["z", "q"] : [String(character)]
      texts = texts.flatMap { text in choices.map { text + $0 } }
    }
    return texts
  }
}
