// What the decision log is told of a message.

/// A verdict that the decision log wants to have, with the place of its message.
///
/// Source: ours.
public struct DecisionRecord: BitwiseCopyable, Sendable {
  /// Offset of the message's first byte in the bytes that were given to ``Session/receive(_:from:descriptors:policy:at:into:)``.
  public var offset: UInt32
  /// What was decided.
  public var verdict: Verdict
}
