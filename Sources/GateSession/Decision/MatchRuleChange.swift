// What is known of a match rule when its call has been decided on.

import DBusWire

/// What an AddMatch or a RemoveMatch changes.
struct MatchRuleChange: BitwiseCopyable {
  /// Of the rule's canonical text.
  let hash: UInt64
  /// Where in the message the rule stands.
  let text: ByteRange
  /// Whether the gate has the rule itself and answers in the bus's place.
  let isAnsweredHere: Bool
  /// Whether the rule may ask for changes of owners.
  let mayAskForOwnerChange: Bool
  /// Whether what comes as its answer will be that.
  let isCertain: Bool
}
