// The second byte of a message.

/// What a message is. Types that the specification doesn't know are legal, and to be ignored; only 0 is not a type.
///
/// Spec: "message-protocol-messages".
public struct MessageType: RawRepresentable, Equatable, Sendable, BitwiseCopyable {
  /// The number on the wire.
  public let rawValue: UInt8

  /// The type of that number.
  @inlinable
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// METHOD_CALL: may ask for a reply.
  public static var methodCall: MessageType { MessageType(rawValue: 1) }
  /// METHOD_RETURN: the reply, with its values.
  public static var methodReturn: MessageType { MessageType(rawValue: 2) }
  /// ERROR: the reply of a call that failed.
  public static var error: MessageType { MessageType(rawValue: 3) }
  /// SIGNAL: to one receiver, or to everybody who asked for it.
  public static var signal: MessageType { MessageType(rawValue: 4) }
}
