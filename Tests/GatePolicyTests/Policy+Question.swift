@testable import GatePolicy

extension Policy {
  /// The three questions that can be asked.
  enum Question: CaseIterable {
    case match
    case matchDeny
    case matchLiteral
  }

  /// A policy of `rules`.
  convenience init(_ rules: GatewayRule...) { self.init(rules: rules, busName: "SESSION") }

  /// The answer to `question` about `message`.
  func answer(_ question: Question = .match, _ message: Message) -> RuleMatch {
    let (interface, path, member) = (Array(message.interface.utf8), Array(message.path.utf8), Array(message.member.utf8))
    let (i, p, m) = (interface.span.bytes, path.span.bytes, member.span.bytes)
    let query = RuleQuery(
      direction: message.direction, isSignal: message.isSignal, interface: i, path: p, member: m, descriptors: message.descriptors
    )
    switch question {
    case .match: return match(query)
    case .matchDeny: return matchDeny(query)
    case .matchLiteral: return matchLiteral(query)
    }
  }
}
