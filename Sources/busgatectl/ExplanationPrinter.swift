// An explanation, for people and for programs.

import GatePolicy
import GateSession
import PolicyTools

/// Writes explanations.
struct ExplanationPrinter {
  let console: Console
  let bus: Bus

  /// For people: a verdict, then what there is to say about it.
  func text(_ explanation: Explanation, times: Int = 1) -> String {
    let passes = explanation.verdict.passes
    let word = console.styled(
      passes ? "allowed" : explanation.verdict.action == .deny ? "denied" : "dropped", passes ? .green : .red)
    let often = times == 1 ? "" : ", \(times) times"
    var lines = ["\(word)\(often): \(printable(explanation.query.summary)) (\(bus.rawValue) bus)"]
    var sentence = explanation.sentence
    if let rule = explanation.rule { sentence += ": \(rule.location)" }
    lines.append("  " + sentence)
    if let nearest = explanation.nearestSentence {
      lines.append("  \(nearest)")
      for miss in explanation.misses where miss.key != "literal" {
        lines.append(
          "    \(miss.key): the rule has \(quoted(Array(miss.wanted.utf8))), the message \(miss.found.isEmpty ? "none" : quoted(Array(miss.found.utf8)))"
        )
      }
    }
    if let suggestion = explanation.suggestion {
      lines.append("  to allow it, add to \"\(bus.key)\":")
      lines.append("    " + ruleText(suggestion))
    }
    if let names = explanation.suggestedNames {
      lines.append("  to allow it, add to \"busgate\":")
      lines.append("    \"names\": " + namesText(names))
    }
    if let hint = explanation.hint { lines.append("  " + printable(hint)) }
    return lines.joined(separator: "\n")
  }

  /// For programs: one object.
  func json(_ explanation: Explanation) -> String {
    var json = JSONWriter()
    json.object { json in
      json.member("verdict", "\(explanation.verdict.action)")
      json.member("reason", explanation.verdict.reason.word)
      json.member("explanation", explanation.sentence)
      json.member("bus", bus.rawValue)
      json.key("message")
      write(explanation.query, &json)
      json.key("rule")
      write(explanation.rule, &json)
      json.key("nearest")
      write(explanation.nearest, &json)
      json.key("misses")
      json.array { json in
        for miss in explanation.misses {
          json.object { json in
            json.member("key", miss.key)
            json.member("rule", miss.wanted)
            json.member("message", miss.found)
          }
        }
      }
      json.key("suggestion")
      if let rule = explanation.suggestion { json.rule(rule, comment: nil) } else { json.null() }
      json.key("suggested-names")
      if let names = explanation.suggestedNames { json.names(names) } else { json.null() }
      json.key("hint")
      if let hint = explanation.hint { json.value(hint) } else { json.null() }
    }
    return String(decoding: json.text, as: UTF8.self)
  }

  private func write(_ query: MessageQuery, _ json: inout JSONWriter) {
    json.object { json in
      json.member("direction", query.direction == .outgoing ? "outgoing" : "incoming")
      json.member("type", query.kind.rawValue)
      json.member("interface", query.interface)
      json.member("path", query.path)
      json.member("member", query.member)
      json.member("destination", query.destination)
      json.member("fds", query.fds)
    }
  }

  private func write(_ rule: GatewayRule?, _ json: inout JSONWriter) {
    guard let rule else {
      json.null()
      return
    }
    json.object { json in
      json.member("file", rule.location.file)
      json.member("line", rule.location.line)
      json.member("column", rule.location.column)
    }
  }

  /// A rule as people write it.
  private func ruleText(_ rule: GatewayRule) -> String {
    var json = JSONWriter()
    json.rule(rule, comment: nil)
    return JSONText.spaced(String(decoding: json.text, as: UTF8.self))
  }

  /// Names as people write them.
  private func namesText(_ names: NameRules) -> String {
    var json = JSONWriter()
    json.names(names)
    return JSONText.spaced(String(decoding: json.text, as: UTF8.self))
  }

  /// What a terminal may be given.
  private func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }))
  }
}
