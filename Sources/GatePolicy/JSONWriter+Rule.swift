// A rule as a document spells it: for answers of a running gate, and for configurations that the operator's tool writes.

extension JSONWriter {
  /// A rule with all of its keys. One that was incomplete and matches nothing is written as one that matches nothing.
  ///
  /// - Parameter comment: its comment, if it is to have one.
  package mutating func rule(_ rule: GatewayRule, comment: String?) {
    object { json in
      json.member("direction", Self.word(rule.outgoing, rule.incoming, "outgoing", "incoming") ?? "*")
      json.key("interface")
      json.value(utf8: rule.interface.pattern)
      json.key("object-path")
      json.value(utf8: rule.objectPath.pattern)
      json.key("method")
      json.array { json in
        for method in rule.methods { json.value(utf8: method.pattern) }
      }
      if let type = Self.word(rule.methodCalls, rule.signals, "method_call", "signal") { json.member("type", type) }
      if let name = rule.name {
        json.key("name")
        json.value(utf8: name.text)
      }
      if let maxFDs = rule.maxFDs { json.member("max-fds", maxFDs) }
      if rule.action == .deny { json.member("action", "deny") }
      if let log = rule.log { json.member("log", log) }
      if let comment { json.member("comment", comment) }
    }
  }

  /// The names of a document.
  package mutating func names(_ names: NameRules) {
    object { json in
      for (key, level) in [("own", NameLevel.own), ("talk", .talk), ("see", .see)] {
        json.key(key)
        json.array { json in
          for entry in names.entries where entry.level == level { json.value(utf8: entry.pattern.text) }
        }
      }
    }
  }

  /// The word for the one that holds; nil if both do, or neither.
  private static func word(_ a: Bool, _ b: Bool, _ first: String, _ second: String) -> String? {
    a == b ? nil : a ? first : second
  }
}
