// One thing that one policy allows and another does not. Made by PolicyComparison, shown by `diff` and `learn`.

import GatePolicy

/// A difference, with a message that shows it.
public struct PolicyDifference: Sendable, Equatable {
  /// What became of the message.
  public enum Change: String, Sendable {
    /// The new policy allows it, the old one does not.
    case allowed
    /// The old policy allows it, the new one does not.
    case noLongerAllowed = "no-longer-allowed"
  }

  /// What became of it.
  public let change: Change
  /// A legal message that one of the two compiled policies allows and the other does not.
  public let example: ExampleMessage
  /// The rule that allows it in one of the policies; nil for what the bus itself gets without a rule.
  public let allowedBy: SourceLocation?
  /// That rule's pattern for the member.
  public let method: [UInt8]
  /// The rule that denies it in the other policy; nil if only none allows it there.
  public let deniedBy: SourceLocation?
}
