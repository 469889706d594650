// What the rules say about one message. Returned by Policy, in registers: no reference, no text.

/// The rule that decides about a message, if one does.
///
/// Source: configs/README.md, "The language, in ten minutes".
public struct RuleMatch: BitwiseCopyable, Sendable, Equatable {
  /// What the rules want.
  public enum Outcome: UInt8, BitwiseCopyable, Sendable {
    /// No rule matched. What is not allowed does not pass.
    case none
    /// An allow rule matched and no deny rule.
    case allow
    /// A deny rule matched.
    case deny
  }

  /// What the rules want.
  public let outcome: Outcome
  /// Index in `Policy.rules` of the first rule that matched with that outcome, or -1.
  public let rule: Int32
  /// What that rule says about logging; nil where it says nothing or there is none.
  public let log: Bool?

  /// No rule matched.
  public static let none = RuleMatch(outcome: .none, rule: -1, log: nil)
}
