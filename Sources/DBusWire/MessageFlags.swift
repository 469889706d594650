// The third byte of a message.

/// The flags of a message. Those that the specification doesn't know are legal, and to be ignored.
///
/// Spec: "message-protocol-messages".
public struct MessageFlags: OptionSet, Sendable, BitwiseCopyable {
  /// The byte on the wire.
  public let rawValue: UInt8

  /// The flags of that byte, unknown ones kept.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// NO_REPLY_EXPECTED: whoever is called should not answer.
  public static var noReplyExpected: MessageFlags { MessageFlags(rawValue: 1) }
  /// NO_AUTO_START: the bus must not start a service for this message.
  public static var noAutoStart: MessageFlags { MessageFlags(rawValue: 2) }
  /// ALLOW_INTERACTIVE_AUTHORIZATION: the caller will wait for a person to be asked.
  public static var allowInteractiveAuthorization: MessageFlags { MessageFlags(rawValue: 4) }
}
