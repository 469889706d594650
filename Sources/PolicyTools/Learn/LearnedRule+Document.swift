// Rules as a gateway document, a rule on each line.

import GatePolicy

extension LearnedRule {
  /// The document of `rules`. A bus without rules is not in it, and so is closed.
  static func document(_ rules: [GatewayBus: [LearnedRule]]) -> String {
    let arrays = GatewayBus.allCases.compactMap { bus -> String? in
      guard let rules = rules[bus] else { return nil }
      let lines = rules.map { rule in
        var json = JSONWriter()
        json.rule(rule.rule(), comment: rule.comment)
        return "    " + String(decoding: json.text, as: UTF8.self)
      }
      return "  \"dbus-gateway-config-\(bus.rawValue)\": [\n\(lines.joined(separator: ",\n"))\n  ]"
    }
    return arrays.isEmpty ? "{}\n" : "{\n\(arrays.joined(separator: ",\n"))\n}\n"
  }
}
