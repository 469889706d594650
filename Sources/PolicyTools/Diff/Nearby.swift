// What a rule's messages of one policy may have in common with the other policy and with its own deny rules: looked up once, for all sorts of
// messages. Made by PolicyComparison.

/// A rule's messages and their surroundings.
final class Nearby {
  let messages: RuleMessages
  private let before: PolicySides.Side
  private let after: PolicySides.Side
  private lazy var withInterface = lookUp(.withInterface)
  private lazy var withoutInterface = lookUp(.withoutInterface)

  /// The surroundings of `messages`, some of those that `after` allows.
  init(_ messages: RuleMessages, _ before: PolicySides.Side, _ after: PolicySides.Side) {
    self.messages = messages
    self.before = before
    self.after = after
  }

  /// What the policy before allows and the one after denies, as far as it may overlap.
  func others(in cell: MessageCells) -> [RuleMessages] { cell.hasInterface ? withInterface : withoutInterface }

  private func lookUp(_ cells: MessageCells) -> [RuleMessages] {
    before.allow.overlapping(messages, in: cells) + after.deny.overlapping(messages, in: cells)
  }
}
