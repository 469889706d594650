// What a gateway document says, read the way a person reads it: rule by rule, pattern by pattern, without thought for speed. It shares
// nothing with the compiler of rules but the document, which both get as text.

/// The rules for one bus.
package struct ReferencePolicy {
  package struct Rule {
    /// `outgoing`, `incoming` or `*`.
    package var direction = "*"
    package var interface = "*"
    package var path = "*"
    package var methods = ["*"]
    /// `method_call` or `signal`; nil: both.
    package var type: String?
    package var descriptorsMax: Int?
    package var isDeny = false
    package var log: Bool?
    /// The pattern of its `name`.
    package var name: String?
  }

  /// The other end of a message, as far as rules ask.
  package struct Peer {
    /// How it is addressed, or who it is.
    package var name = ""
    /// Patterns of the names that it owns, and ever owned.
    package var owned: Set<String> = [], everOwned: Set<String> = []
    package var mayOwnMore = false, isBroadcast = false
  }

  package enum Level: Int, Comparable {
    case none, see, talk, own
    package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
  }

  package enum Direction: String { case outgoing, incoming }

  package var rules: [Rule] = []
  /// Patterns of the names that are open, and how far; nil: all are.
  package var names: [(level: Level, pattern: String)]?
  /// Whether unique names are visible, and whether what is for the client alone comes from everybody.
  package var showsUniqueNames = false, trustsPeers = false

  /// Every pattern once, in the order of the document; nil if there is nothing that hangs on names.
  package var patterns: [String]? {
    var patterns: [String] = []
    for pattern in (names ?? []).map(\.pattern) + rules.compactMap(\.name) where !patterns.contains(pattern) {
      patterns.append(pattern)
    }
    return names == nil && patterns.isEmpty ? nil : patterns
  }

  /// How far what these patterns match is open.
  package func level(_ matched: (String) -> Bool) -> Level {
    let open = (names ?? []).filter { matched($0.pattern) }.map(\.level)
    // What a rule lets through is no secret.
    let ruled = rules.filter { !$0.isDeny && ($0.name.map(matched) ?? false) }.map { _ in Level.talk }
    return (open + ruled).max() ?? .none
  }

  /// Whether an allow rule meets the message and no deny rule does. With `literally`, the allow rule has to name interface and member.
  package func allows(
    _ direction: Direction, _ message: Draft, as interface: String?, of peer: Peer, literally: Bool = false
  )
    -> Bool
  {
    !denies(direction, message, as: interface, of: peer)
      && (!literally && opensByLevel(direction, message, peer)
        || rules.contains { rule in
          !rule.isDeny && covers(rule, direction, message) && concerns(rule, direction, peer)
            && message.unixFDs ?? 0 <= rule.descriptorsMax ?? .max
            && (literally
              ? rule.interface == interface && rule.methods.contains(message.member ?? "")
              : interface.map { Self.matches(rule.interface, $0) } ?? (rule.interface == "*"))
        })
  }

  /// Names that may be talked to are open to all calls and signals, and so is the client to their signals.
  private func opensByLevel(_ direction: Direction, _ message: Draft, _ peer: Peer) -> Bool {
    if direction == .incoming && message.type == 1 { return false }
    return (names ?? []).contains { entry in
      entry.level >= .talk
        && (peer.everOwned.contains(entry.pattern)
          || direction == .outgoing && ReferenceNames.matches(entry.pattern, peer.name))
    }
  }

  /// Whether a rule's name is one of the other end's.
  private func concerns(_ rule: Rule, _ direction: Direction, _ peer: Peer) -> Bool {
    guard let name = rule.name else { return true }
    if (rule.isDeny ? peer.everOwned : peer.owned).contains(name) || rule.isDeny && peer.mayOwnMore { return true }
    return ReferenceNames.matches(name, peer.name)
  }

  /// Whether a deny rule meets the message: without an interface, whatever the rule's is.
  package func denies(_ direction: Direction, _ message: Draft, as interface: String?, of peer: Peer) -> Bool {
    rules.contains { rule in
      rule.isDeny && covers(rule, direction, message) && concerns(rule, direction, peer)
        && message.unixFDs ?? 0 > rule.descriptorsMax ?? -1
        && interface.map { Self.matches(rule.interface, $0) } ?? true
    }
  }

  /// Everything but interface and descriptors.
  private func covers(_ rule: Rule, _ direction: Direction, _ message: Draft) -> Bool {
    (rule.direction == "*" || rule.direction == direction.rawValue)
      && (rule.type == nil || (rule.type == "signal") == (message.type == 4))
      && Self.matches(rule.path, message.path ?? "") && rule.methods.contains { Self.matches($0, message.member ?? "") }
  }

  /// `*` is any sequence, `?` one character; the pattern of no characters matches nothing.
  static func matches(_ pattern: String, _ text: String) -> Bool {
    !pattern.isEmpty && matches(Array(pattern.utf8)[...], Array(text.utf8)[...])
  }

  private static func matches(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return text.isEmpty }
    if first == UInt8(ascii: "*") {
      return matches(pattern.dropFirst(), text) || (!text.isEmpty && matches(pattern, text.dropFirst()))
    }
    guard let byte = text.first, first == byte || first == UInt8(ascii: "?") else { return false }
    return matches(pattern.dropFirst(), text.dropFirst())
  }

  /// The document that says so.
  package var document: String {
    let texts = rules.map { rule in
      let methods = rule.methods.map { "\"\($0)\"" }.joined(separator: ", ")
      var text = "{\"direction\": \"\(rule.direction)\", \"interface\": \"\(rule.interface)\", "
      text += "\"object-path\": \"\(rule.path)\", \"method\": [\(methods)]"
      if let type = rule.type { text += ", \"type\": \"\(type)\"" }
      if let most = rule.descriptorsMax { text += ", \"max-fds\": \(most)" }
      if rule.isDeny { text += ", \"action\": \"deny\"" }
      if let name = rule.name { text += ", \"name\": \"\(name)\"" }
      if let log = rule.log { text += ", \"log\": \(log)" }
      return text + "}"
    }
    var settings = ""
    if let names {
      let levels = [Level.see, .talk, .own].map { level in
        "\"\(level)\": [" + names.filter { $0.level == level }.map { "\"\($0.pattern)\"" }.joined(separator: ", ") + "]"
      }
      settings = ", \"busgate\": {\"names\": {\(levels.joined(separator: ", "))}}"
    }
    return "{\"dbus-gateway-config-session\": [\(texts.joined(separator: ",\n"))]\(settings)}"
  }
}
