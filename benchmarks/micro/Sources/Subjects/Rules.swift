// Documents of many rules: those of benchmarks/setups.py.

import GatePolicy

enum Rules {
  /// So many rules for the session bus, the last of which matches the calls of ``Message``.
  static func document(_ count: Int) -> [UInt8] {
    let rules = (0..<count - 1).map(filler) + [rule("com.example.Load", "/com/example/Load", "\"*\"")]
    return Array("{\"dbus-gateway-config-session\": [\n\(rules.joined(separator: ",\n"))\n]}".utf8)
  }

  /// A rule for each of so many kinds of call.
  static func kinds(_ count: Int, among rules: Int) -> [UInt8] {
    let kinds = (0..<count).map { rule("com.example.Filler\($0)", "/com/example/Filler\($0)", "\"Call\($0)\"") }
    let fillers = rules > count ? (count..<rules).map(filler) : []
    return Array("{\"dbus-gateway-config-session\": [\n\((fillers + kinds).joined(separator: ",\n"))\n]}".utf8)
  }

  static func parsed(_ count: Int) throws -> [GatewayRule] { try parsed(document(count)) }

  static func parsed(_ document: [UInt8]) throws -> [GatewayRule] {
    try GatewayDocument.parse(document, file: "rules.json").sessionRules
  }

  private static func filler(_ i: Int) -> String {
    switch i % 4 {
    case 0: rule("com.example.Filler\(i)", "/com/example/Filler\(i)", "[\"Get\", \"Set\"]")
    case 1: rule("com.example.Filler\(i).*", "*", "\"*\"")
    case 2: rule("com.example.Filler\(i)", "/com/example/Filler\(i)/*", "\"Get*\"")
    default: rule("com.*.Filler\(i)", "/com/example/Filler\(i)", "\"*\"")
    }
  }

  private static func rule(_ interface: String, _ path: String, _ method: String) -> String {
    "{\"direction\": \"outgoing\", \"interface\": \"\(interface)\", \"object-path\": \"\(path)\", \"method\": \(method)}"
  }
}
