// Who is at the other end of a message, as far as rules ask. A session makes one of what it knows of a unique name. Names are numbers of
// the policy's name patterns.

/// The receiver of an outgoing message, or the sender of an incoming one.
///
/// Source: ours.
public struct MessagePeer: Sendable {
  /// Patterns of the names that it was last known to own.
  public var owned = NameSet()
  /// Patterns of the names that it ever owned.
  public var everOwned = NameSet()
  /// Whether it may own more than is known: then every deny rule for a name meets it.
  public var mayOwnMore = false
  /// Whether the message is a signal to everybody.
  public var isBroadcast = false

  /// Somebody who owns no name.
  public init() {}
}
