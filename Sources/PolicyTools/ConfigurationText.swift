// A configuration as a text that people read and the sidecar takes: a rule a line.

import GatePolicy

/// Writes configurations.
public struct ConfigurationText {
  private var session: [String] = []
  private var system: [String] = []
  private var names: NameRules?

  /// A configuration without rules.
  public init() {}

  /// Puts a document behind what is there.
  ///
  /// - Parameter comment: the comment of a rule, if it is to have one.
  public mutating func add(_ document: GatewayDocument, comment: (GatewayRule) -> String?) {
    session += document.sessionRules.map { Self.text($0, comment($0)) }
    system += document.systemRules.map { Self.text($0, comment($0)) }
    if let added = document.names {
      var all = names ?? NameRules()
      all.add(added)
      names = all
    }
  }

  /// The text, with a line end.
  public var text: String {
    var parts = [Self.array("dbus-gateway-config-session", session), Self.array("dbus-gateway-config-system", system)]
    if let names { parts.append("  \"busgate\": {\"names\": \(Self.text(names))}") }
    return "{\n\(parts.joined(separator: ",\n"))\n}\n"
  }

  private static func array(_ key: String, _ rules: [String]) -> String {
    rules.isEmpty ? "  \"\(key)\": []" : "  \"\(key)\": [\n    \(rules.joined(separator: ",\n    "))\n  ]"
  }

  private static func text(_ rule: GatewayRule, _ comment: String?) -> String {
    var json = JSONWriter()
    json.rule(rule, comment: comment)
    return String(decoding: json.text, as: UTF8.self)
  }

  private static func text(_ names: NameRules) -> String {
    var json = JSONWriter()
    json.names(names)
    return String(decoding: json.text, as: UTF8.self)
  }
}
