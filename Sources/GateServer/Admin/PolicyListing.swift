// The rules in force, written as configurations again, a piece at a time: ten thousand rules are two megabytes, and nobody is to wait
// while they are written.

import GatePolicy

/// What is still to be written of an answer to `policy`.
struct PolicyListing {
  private var gates: [(label: String, policy: Policy)]
  private var gate = 0
  private var rule = -1

  /// The policies of these gates as they are now, whatever is put in force while they are written.
  init(_ gates: [(label: String, policy: Policy)]) { self.gates = gates }

  /// Appends to `output` until that has `count` bytes or more, or all is written. Whether there is more.
  mutating func write(into output: inout [UInt8], upTo count: Int) -> Bool {
    if gate == 0 && rule < 0 { output += "{\"gates\":[".utf8 }
    while gate < gates.count {
      let (label, policy) = gates[gate]
      if rule < 0 { begin(label, policy, &output) }
      while rule < policy.givenRuleCount {
        if output.count >= count { return true }
        write(policy.rules[rule], isFirst: rule == 0, &output)
        rule += 1
      }
      output += "]".utf8
      if let names = policy.names { write(names, &output) }
      output += "}}".utf8
      gate += 1
      rule = -1
    }
    output += "]}\n".utf8
    return false
  }

  private mutating func begin(_ label: String, _ policy: Policy, _ output: inout [UInt8]) {
    var json = JSONWriter()
    json.value(label)
    if gate > 0 { output += ",".utf8 }
    output += "{\"gate\":".utf8
    output += json.text
    let array = policy.busName == "SYSTEM" ? "dbus-gateway-config-system" : "dbus-gateway-config-session"
    output += ",\"rules\":\(policy.givenRuleCount),\"configuration\":{\"\(array)\":[".utf8
    rule = 0
  }

  private func write(_ names: NameRules, _ output: inout [UInt8]) {
    var json = JSONWriter()
    json.names(names)
    output += ",\"busgate\":{\"names\":".utf8
    output += json.text
    output += "}".utf8
  }

  private func write(_ rule: GatewayRule, isFirst: Bool, _ output: inout [UInt8]) {
    var json = JSONWriter()
    // The comment says where the rule was written.
    json.rule(rule, comment: "\(rule.location)")
    if !isFirst { output += ",".utf8 }
    output += json.text
  }
}
