// What was decided about one message, and why: small enough to be made for every message, complete enough to explain it.

/// The decision about one message.
///
/// Source: contrib/OPERATORS.md, "The log".
public struct Verdict: BitwiseCopyable, Equatable, Sendable {
  /// What happens to the message.
  public enum Action: UInt8, BitwiseCopyable, Sendable {
    /// It is forwarded, byte for byte.
    case allow
    /// It is forwarded, since the gate only watches; the rules would have denied it.
    case audit
    /// It is not forwarded; its sender is told if it asked for an answer.
    case deny
    /// It is not forwarded and nobody is told.
    case drop
  }

  /// What happens to the message.
  public var action: Action
  /// Whether the message is forwarded.
  @inlinable @inline(__always)
  public var passes: Bool { action == .allow || action == .audit }
  /// Why.
  public var reason: Reason
  /// Index of the deciding rule in the policy, −1 if no rule decided.
  public var rule: Int32
  /// What the deciding rule wants of the decision log; nil: what the gate wants.
  public var log: Bool?

  @usableFromInline
  init(_ action: Action, _ reason: Reason, rule: Int32 = -1, log: Bool? = nil) {
    self.action = action
    self.reason = reason
    self.rule = rule
    self.log = log
  }
}
