// A rule that a comparison could not decide about within its bounds. Collected by PolicyComparison.

import GatePolicy

/// A rule about which a comparison found no difference, but could not rule one out within its bounds.
public struct UndecidedRule: Sendable, Equatable {
  /// What would have become of its messages.
  public let change: PolicyDifference.Change
  /// The rule.
  public let rule: SourceLocation?
  /// Its pattern for the member.
  public let method: [UInt8]
}
