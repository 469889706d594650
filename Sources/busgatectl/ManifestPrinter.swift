// Capabilities, for people and for programs.

import GatePolicy

/// Writes capabilities, each with whether it always applies.
enum ManifestPrinter {
  typealias Listed = (capability: ServiceManifest.Capability, isDefault: Bool)

  /// A line for each capability.
  static func list(_ all: [Listed]) -> String {
    if all.isEmpty { return "no capabilities" }
    let width = all.map { $0.capability.name.count }.max() ?? 0
    return all.map { capability, isDefault in
      let name = capability.name + String(repeating: " ", count: width - capability.name.count)
      let gateways = capability.gateways.map(describe).joined(separator: ", ")
      return "\(name)  \(isDefault ? "default" : "       ")  \(capability.location.file):\(capability.location.line)  \(gateways)"
    }.joined(separator: "\n")
  }

  /// Lines for each gateway, with every rule of those that are applied.
  static func show(_ all: [Listed]) -> String {
    if all.isEmpty { return "no capability applies" }
    return all.map { capability, isDefault in
      var lines = ["\(capability.name)\(isDefault ? " (default)" : ""), \(capability.location)"]
      for gateway in capability.gateways {
        lines.append("  \(describe(gateway)), \(gateway.location)")
        guard let document = gateway.document else { continue }
        for (bus, rules) in [("session", document.sessionRules), ("system", document.systemRules)] {
          lines += rules.map { "    \(bus): \(text($0))" }
        }
      }
      return lines.joined(separator: "\n")
    }.joined(separator: "\n")
  }

  static func json(_ all: [Listed]) -> String {
    var json = JSONWriter()
    json.object { json in
      json.key("capabilities")
      json.array { json in
        for (capability, isDefault) in all { write(capability, isDefault, &json) }
      }
    }
    return String(decoding: json.text, as: UTF8.self)
  }

  private static func write(_ capability: ServiceManifest.Capability, _ isDefault: Bool, _ json: inout JSONWriter) {
    json.object { json in
      json.member("name", capability.name)
      json.member("default", isDefault)
      json.member("file", capability.location.file)
      json.member("line", capability.location.line)
      json.key("gateways")
      json.array { json in
        for gateway in capability.gateways {
          json.object { json in
            json.member("id", gateway.id)
            json.member("skipped", gateway.document == nil)
            json.member("session-rules", gateway.document?.sessionRules.count ?? 0)
            json.member("system-rules", gateway.document?.systemRules.count ?? 0)
          }
        }
      }
    }
  }

  private static func describe(_ gateway: ServiceManifest.Gateway) -> String {
    guard let document = gateway.document else { return "\(gateway.id): skipped, not a gateway of D-Bus" }
    return "\(gateway.id): \(document.sessionRules.count) session, \(document.systemRules.count) system"
  }

  private static func text(_ rule: GatewayRule) -> String {
    var json = JSONWriter()
    json.rule(rule, comment: nil)
    return JSONText.spaced(String(decoding: json.text, as: UTF8.self))
  }
}
