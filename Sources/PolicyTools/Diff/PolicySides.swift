// A policy, taken apart for a comparison: as sets of messages between peers and of calls to the bus itself, and compiled.

import GatePolicy

/// What one of two policies says.
struct PolicySides {
  /// What is allowed, unless it is denied.
  struct Side {
    let allow: MessageSet
    let deny: MessageSet
  }

  let peers: Side
  let driver: Side
  private let policy: Policy

  /// The policy of `rules`.
  init(_ rules: [GatewayRule]) {
    var (allow, deny): ([RuleMessages], [RuleMessages]) = ([], [])
    for (index, rule) in rules.enumerated() {
      switch rule.action {
      case .allow: allow += RuleMessages.subsets(of: rule, at: index)
      case .deny: deny += RuleMessages.subsets(of: rule, at: index)
      }
    }
    peers = Side(allow: MessageSet(allow), deny: MessageSet(deny))
    let denied = deny.filter(DriverMessages.meetsDriver).map { messages in
      var messages = messages
      messages.names = []
      return messages
    }
    driver = Side(allow: MessageSet(DriverMessages.allowed(by: allow)), deny: MessageSet(denied))
    policy = Policy(rules: rules, busName: "")
  }

  /// Whether the compiled policy lets `message` through.
  func allows(_ message: ExampleMessage) -> Bool {
    message.isAllowed(by: policy)
  }

  /// The rule that denies `message`, if one does.
  func denial(of message: ExampleMessage) -> SourceLocation? {
    let match = message.denial(policy)
    return match.outcome == .deny ? policy.rules[Int(match.rule)].location : nil
  }

  /// Where the rule of `messages` stands, if it has one.
  func location(of messages: RuleMessages) -> SourceLocation? {
    messages.rule < 0 ? nil : policy.rules[messages.rule].location
  }
}
