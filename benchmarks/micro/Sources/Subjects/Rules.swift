// Many rules: those of benchmarks/setups.py, as a document and, since reading one takes long, made directly.

import GatePolicy

enum Rules {
  private struct Pattern {
    var interface: String
    var path: String
    var methods = ["*"]
  }

  /// So many rules, the last of which matches the calls of ``Message``.
  static func many(_ count: Int) -> [GatewayRule] {
    ((0..<count - 1).map(filler) + [Pattern(interface: Message.service, path: Message.servicePath)]).map(rule)
  }

  /// The same as a document for the session bus.
  static func document(_ count: Int) -> [UInt8] {
    let patterns = (0..<count - 1).map(filler) + [Pattern(interface: Message.service, path: Message.servicePath)]
    let rules = patterns.map {
      """
      {"direction": "outgoing", "interface": "\($0.interface)", "object-path": "\($0.path)", "method": \($0.methods)}
      """
    }
    return Array("{\"dbus-gateway-config-session\": [\n\(rules.joined(separator: ",\n"))\n]}".utf8)
  }

  /// A rule for each of so many kinds of call, behind others that make it `rules` in all.
  static func kinds(_ count: Int, among rules: Int) -> [GatewayRule] {
    let kinds = (0..<count).map {
      Pattern(interface: "com.example.Filler\($0)", path: "/com/example/Filler\($0)", methods: ["Call\($0)"])
    }
    return ((count..<max(count, rules)).map(filler) + kinds).map(rule)
  }

  /// One that does not match; literals and globs take turns.
  private static func filler(_ i: Int) -> Pattern {
    switch i % 4 {
    case 0: Pattern(interface: "com.example.Filler\(i)", path: "/com/example/Filler\(i)", methods: ["Get", "Set"])
    case 1: Pattern(interface: "com.example.Filler\(i).*", path: "*")
    case 2: Pattern(interface: "com.example.Filler\(i)", path: "/com/example/Filler\(i)/*", methods: ["Get*"])
    default: Pattern(interface: "com.*.Filler\(i)", path: "/com/example/Filler\(i)")
    }
  }

  private static func rule(_ pattern: Pattern) -> GatewayRule {
    GatewayRule(
      outgoing: true, incoming: false, interface: Glob(Array(pattern.interface.utf8)), objectPath: Glob(Array(pattern.path.utf8)),
      methods: pattern.methods.map { Glob(Array($0.utf8)) },
      location: SourceLocation(file: "rules.json", line: 1, column: 1))
  }
}
