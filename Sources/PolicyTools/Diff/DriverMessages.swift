// Calls to the bus itself, for which other things count than for calls between peers: some methods need no rule, most need one that
// names them without a wildcard. As sets of messages, so that policies can be compared about them too.

import GatePolicy
import GateSession

/// What policies say about the methods that the driver is known to have.
enum DriverMessages {
  /// The sorts of messages that are looked at.
  static let cells: MessageCells = [.outgoingCall, .outgoingCallWithoutInterface]

  /// What is allowed by rules, given as `subsets`, and without any.
  ///
  /// Hello is left out: no rule takes it away.
  static func allowed(by subsets: [RuleMessages]) -> [RuleMessages] {
    var all: [RuleMessages] = []
    let candidates = subsets.filter { $0.cells.contains(.outgoingCall) && meetsDriver($0) }
    for method in Driver.methods where method.inspection != .hello {
      let interface = Glob(Array("\(method.interface)".utf8))
      let member = Glob(Array("\(method.member)".utf8))
      // What is looked into takes no descriptors.
      let most = method.inspection == .none ? RuleMessages.descriptorsMax : 0
      if method.access == .always {
        let everywhere = Glob([UInt8(ascii: "*")])
        all.append(
          RuleMessages(
            cells: cells, interface: [interface], path: [everywhere], member: [member], descriptors: 0...most, rule: -1))
        continue
      }
      for messages in candidates where opens(messages, method, interface, member) {
        all.append(
          RuleMessages(
            cells: cells, interface: [interface], path: messages.path, member: [member],
            descriptors: 0...min(most, messages.descriptors.upperBound), rule: messages.rule))
      }
    }
    return all
  }

  /// Whether what `messages` asks of the other end's name is true of the bus itself.
  static func meetsDriver(_ messages: RuleMessages) -> Bool {
    messages.names.allSatisfy { $0.accepts(Array("\(Driver.name)".utf8)) }
  }

  private static func opens(_ messages: RuleMessages, _ method: DriverMethod, _ interface: Glob, _ member: Glob) -> Bool {
    switch method.access {
    case .always: true
    case .rule: messages.interface[0].accepts(interface.pattern) && messages.member[0].accepts(member.pattern)
    case .literalRule: messages.interface[0] == interface && messages.member[0] == member
    }
  }

  /// Whether the bus itself gets `message` under `policy`: the answer of the compiled policy, as a session asks for it.
  static func isAllowed(_ message: ExampleMessage, by policy: Policy) -> Bool {
    let method = method(message)
    if let method, method.inspection == .hello { return true }
    var named = message
    // Without INTERFACE it is judged as if the right one were named; only deny rules look at what is there.
    if let method { named.interface = Array("\(method.interface)".utf8) }
    if message.denial(policy).outcome == .deny { return false }
    switch method?.access ?? .literalRule {
    case .always: return true
    case .rule: return named.match(policy).outcome == .allow
    case .literalRule: return named.literalMatch(policy).outcome == .allow
    }
  }

  /// The driver's method that `message` calls, if it is a known one.
  static func method(_ message: ExampleMessage) -> DriverMethod? {
    if message.isSignal || message.direction == .incoming { return nil }
    return Driver.methods.first { method in
      message.member.elementsEqual("\(method.member)".utf8)
        && (message.interface?.elementsEqual("\(method.interface)".utf8) ?? true)
    }
  }
}
