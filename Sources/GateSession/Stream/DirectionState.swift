// One direction of a session: where it stands in its stream, and what it remembers of the messages that went by.

import DBusWire

/// The messages from one side.
struct DirectionState: ~Copyable {
  /// Where the stream stands.
  var stream = MessageStream()
  /// What was decided about the last kinds of message.
  var cache = DecisionCache()
  /// How long the local output to the receiver has waited for the end of a message of this direction.
  var wait = PartialWait()
}
