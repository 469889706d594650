// Differences of policies, for people and for programs.

import GatePolicy
import PolicyTools

/// Writes what a comparison found.
struct DiffPrinter {
  struct Difference {
    let bus: Bus
    let difference: PolicyDifference
  }

  struct Undecided {
    let bus: Bus
    let rule: UndecidedRule
  }

  let console: Console
  let differences: [Difference]
  let names: [NameDifference]
  let undecided: [Undecided]

  // MARK: For people

  /// One line a difference, and a line for all.
  func print(old: String, new: String) {
    for item in differences {
      let difference = item.difference
      let isGain = difference.change == .allowed
      // What is newly allowed is allowed by the new file; what is no longer allowed was allowed by the old one.
      let allowed = difference.allowedBy.map { place($0) } ?? "every policy"
      let verb = isGain ? "allows it" : "allowed it"
      let denied = difference.deniedBy.map { "\(place($0)) \(isGain ? "denied" : "denies") it" }
      let reason = denied ?? "\(isGain ? old : new) has no rule for it"
      console.print("\(sign(difference.change)) \(item.bus.rawValue): \(difference.example); \(allowed) \(verb), \(reason)")
    }
    for name in names {
      let isGain = name.change == .allowed
      let how = "\(name.level == .own ? "may be owned" : "is visible")"
      let place = name.openedBy.map { " by \(self.place($0))" } ?? ", as no \"names\" hides it"
      console.print(
        "\(sign(name.change)) the name \(String(decoding: name.example, as: UTF8.self)) \(how)\(place)\(isGain ? "" : ", and no longer is")"
      )
    }
    for item in undecided {
      let place = item.rule.rule.map { self.place($0) } ?? "?"
      let how = item.rule.change == .allowed ? "newly allows something" : "allowed something that is denied now"
      console.printError(
        "busgatectl: warning: \(place) (\(item.bus.rawValue)): whether \(quoted(item.rule.method)) \(how) could not be decided, "
          + "expected fewer wildcards in rules that overlap")
    }
    let gains = differences.count { $0.difference.change == .allowed } + names.count { $0.change == .allowed }
    let losses = differences.count + names.count - gains
    if gains + losses > 0 {
      console.print("\(gains) newly allowed, \(losses) no longer allowed")
    } else if undecided.isEmpty {
      console.print("the same is allowed")
    }
  }

  private func sign(_ change: PolicyDifference.Change) -> String {
    switch change {
    case .allowed: console.styled("+", .green)
    case .noLongerAllowed: console.styled("-", .red)
    }
  }

  private func place(_ location: SourceLocation) -> String { "\(location.file):\(location.line)" }

  // MARK: For programs

  /// One object.
  func json() -> String {
    var json = JSONWriter()
    json.object { json in
      json.member("same", differences.isEmpty && names.isEmpty && undecided.isEmpty)
      json.key("differences")
      json.array { json in
        for item in differences { write(item, &json) }
      }
      json.key("names")
      json.array { json in
        for name in names { write(name, &json) }
      }
      json.key("undecided")
      json.array { json in
        for item in undecided {
          json.object { json in
            json.member("bus", item.bus.rawValue)
            json.member("change", item.rule.change.rawValue)
            json.key("rule")
            json.location(item.rule.rule)
            json.key("method")
            json.value(utf8: item.rule.method)
          }
        }
      }
    }
    return String(decoding: json.text, as: UTF8.self)
  }

  private func write(_ item: Difference, _ json: inout JSONWriter) {
    let difference = item.difference
    json.object { json in
      json.member("change", difference.change.rawValue)
      json.member("bus", item.bus.rawValue)
      json.key("example")
      json.example(difference.example)
      json.key("allowed-by")
      json.location(difference.allowedBy)
      json.key("method")
      json.value(utf8: difference.method)
      json.key("denied-by")
      json.location(difference.deniedBy)
    }
  }

  private func write(_ name: NameDifference, _ json: inout JSONWriter) {
    json.object { json in
      json.member("change", name.change.rawValue)
      json.member("level", "\(name.level)")
      json.key("name")
      json.value(utf8: name.example)
      json.key("opened-by")
      json.location(name.openedBy)
    }
  }
}

extension JSONWriter {
  /// A message, by the keys of the decision log.
  mutating func example(_ message: ExampleMessage) {
    object { json in
      json.member("direction", message.direction == .outgoing ? "outgoing" : "incoming")
      json.member("type", message.isSignal ? "signal" : "method_call")
      json.key("interface")
      if let interface = message.interface { json.value(utf8: interface) } else { json.null() }
      json.key("path")
      json.value(utf8: message.path)
      json.key("member")
      json.value(utf8: message.member)
      json.member("fds", message.descriptors)
      json.key("names")
      json.array { json in
        for name in message.peerNames { json.value(utf8: name) }
      }
      json.member("to-the-bus", message.isForDriver)
    }
  }

  /// A place in a file, or null.
  mutating func location(_ location: SourceLocation?) {
    guard let location else { return null() }
    object { json in
      json.member("file", location.file)
      json.member("line", location.line)
      json.member("column", location.column)
    }
  }
}
