// The first byte of a message.

/// The order in which a message's numbers are written.
///
/// Both orders are legal; a bus passes messages on in the order of their sender.
///
/// Spec: "message-protocol-messages".
public enum ByteOrder: UInt8, BitwiseCopyable, Sendable {
  /// `l`
  case little = 0x6C
  /// `B`
  case big = 0x42

  /// A number whose bytes, the first one lowest, are `bytes`; and the other way round.
  @inlinable @inline(__always)
  public func number(_ bytes: UInt32) -> UInt32 { self == .little ? bytes : bytes.byteSwapped }
}
