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
  }

  package enum Direction: String { case outgoing, incoming }

  package var rules: [Rule] = []

  /// Whether an allow rule meets the message and no deny rule does. With `literally`, the allow rule has to name interface and member.
  package func allows(_ direction: Direction, _ message: Draft, as interface: String?, literally: Bool = false) -> Bool {
    !denies(direction, message, as: interface)
      && rules.contains { rule in
        !rule.isDeny && covers(rule, direction, message) && message.unixFDs ?? 0 <= rule.descriptorsMax ?? .max
          && (literally
            ? rule.interface == interface && rule.methods.contains(message.member ?? "")
            : interface.map { Self.matches(rule.interface, $0) } ?? (rule.interface == "*"))
      }
  }

  /// Whether a deny rule meets the message: without an interface, whatever the rule's is.
  package func denies(_ direction: Direction, _ message: Draft, as interface: String?) -> Bool {
    rules.contains { rule in
      rule.isDeny && covers(rule, direction, message) && message.unixFDs ?? 0 > rule.descriptorsMax ?? -1
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
      if let log = rule.log { text += ", \"log\": \(log)" }
      return text + "}"
    }
    return "{\"dbus-gateway-config-session\": [\(texts.joined(separator: ",\n"))]}"
  }
}
