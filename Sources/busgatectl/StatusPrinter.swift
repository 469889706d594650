// Answers of a running gate, for people. Keys that are not known are left out, so that the tool and the gate need not be of one version.

import GatePolicy
import PolicyTools

/// Writes answers of the control socket.
enum StatusPrinter {
  /// An answer to `status`.
  static func text(_ status: JSONValue) -> String {
    func value(_ key: String) -> String { status[key]?.text ?? "?" }
    let instance = status["instance"]?.text.map { ", instance \($0)" } ?? ""
    var lines = [
      "busgate \(value("version"))\(instance), pid \(value("pid")), since \(value("started")), reloads \(status["reloads"]?["ok"]?.text ?? "?") "
        + "(\(status["reloads"]?["refused"]?.text ?? "?") refused)"
    ]
    lines += table(
      status["gates"]?.elements ?? [], ["gate", "mode", "rules", "connections", "allowed", "denied", "listening", "bus"])
    for gate in status["gates"]?.elements ?? [] {
      if let failure = gate["not-listening"]?.text {
        lines.append("gate \(gate["gate"]?.text ?? "?") does not accept: \(failure)")
      }
      for limit in gate["limits-hit"]?.members ?? [] {
        lines.append("gate \(gate["gate"]?.text ?? "?"): limit \(limit.key) was hit \(limit.value.text ?? "?") times")
      }
    }
    let connections = status["connections"]?.elements ?? []
    if !connections.isEmpty {
      lines += table(connections, ["connection", "gate", "pid", "uid", "name", "state", "allowed", "denied", "since"])
    }
    if let more = status["more"]?.text, more != "0" { lines.append("and \(more) more") }
    return lines.joined(separator: "\n")
  }

  /// A table of these keys.
  private static func table(_ rows: [JSONValue], _ keys: [String]) -> [String] {
    let cells = [keys] + rows.map { row in keys.map { row[$0]?.text ?? "-" } }
    let widths = keys.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    return cells.map { row in
      let line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
  }

  /// A configuration: a rule a line.
  static func configuration(_ configuration: JSONValue) -> String {
    let parts = configuration.members.map { member in
      let rules = member.value.elements
      if rules.isEmpty { return "  \"\(member.key)\": \(line(member.value))" }
      return "  \"\(member.key)\": [\n    \(rules.map(line).joined(separator: ",\n    "))\n  ]"
    }
    return "{\n\(parts.joined(separator: ",\n"))\n}\n"
  }

  private static func line(_ value: JSONValue) -> String {
    var json = JSONWriter()
    write(value, &json)
    return JSONText.spaced(String(decoding: json.text, as: UTF8.self))
  }

  private static func write(_ value: JSONValue, _ json: inout JSONWriter) {
    switch value {
    case .object(let members):
      json.object { json in
        for member in members {
          json.key(member.key)
          write(member.value, &json)
        }
      }
    case .array(let elements): json.array { json in for element in elements { write(element, &json) } }
    case .string(let text): json.value(text)
    case .number(let text): if let number = Int(text) { json.value(number) } else { json.value(text) }
    case .boolean(let flag): json.value(flag)
    case .null: json.null()
    }
  }
}
