// The fixed start of every message: all that is needed to pass over a message without looking into it.
// Does not look at header fields (see MessageHeader).

/// The first 16 bytes of a message.
///
/// Spec: "message-protocol-messages".
public struct MessageFrame: BitwiseCopyable, Sendable {
  /// How many bytes a frame takes.
  public static var byteCount: Int { 16 }
  /// Most bytes that the array of header fields may claim, as any array. Spec: "message-protocol-marshaling-container".
  public static var fieldsByteCountMax: Int { 67_108_864 }
  /// Most bytes that a message may have, header and body. Spec: "message-protocol-messages".
  @inlinable
  public static var messageByteCountMax: Int { 134_217_728 }

  /// The order of this message's numbers.
  public let byteOrder: ByteOrder
  /// What the message is. Not 0.
  public let type: MessageType
  /// The flags, unknown ones kept.
  public let flags: MessageFlags
  /// The sender's number of this message. Not 0.
  public let serial: UInt32
  /// Bytes of the array of header fields, without the padding that follows it.
  public let fieldsByteCount: Int
  /// Bytes of the body.
  public let bodyByteCount: Int

  /// Bytes up to the body: the frame, the header fields and their padding.
  @inlinable
  public var headerByteCount: Int { 16 + (fieldsByteCount + 7) & ~7 }
  /// Bytes up to the next message.
  @inlinable
  public var messageByteCount: Int { headerByteCount + bodyByteCount }

  /// A frame that no message has, for a header that was not read yet.
  init() {
    byteOrder = .little
    type = MessageType(rawValue: 0)
    flags = []
    serial = 0
    fieldsByteCount = 0
    bodyByteCount = 0
  }

  /// The frame at the start of `bytes`. Precondition: there are at least 16 bytes.
  ///
  /// Throws `byteOrder`, `type`, `version`, `serial` or `lengths`.
  @inline(__always)
  public init(_ bytes: RawSpan) throws(WireError) {
    precondition(bytes.byteCount >= MessageFrame.byteCount, "a frame needs 16 bytes")
    guard let byteOrder = ByteOrder(rawValue: bytes.byte(at: 0)) else { throw .byteOrder(0) }
    let type = MessageType(rawValue: bytes.byte(at: 1))
    guard type.rawValue != 0 else { throw .type(1) }
    guard bytes.byte(at: 3) == 1 else { throw .version(3) }
    let serial = bytes.uint32(at: 8, byteOrder)
    guard serial != 0 else { throw .serial(8) }
    let fieldsByteCount = Int(bytes.uint32(at: 12, byteOrder))
    guard fieldsByteCount <= MessageFrame.fieldsByteCountMax else { throw .lengths(12) }
    self.byteOrder = byteOrder
    self.type = type
    self.flags = MessageFlags(rawValue: bytes.byte(at: 2))
    self.serial = serial
    self.fieldsByteCount = fieldsByteCount
    self.bodyByteCount = Int(bytes.uint32(at: 4, byteOrder))
    guard messageByteCount <= MessageFrame.messageByteCountMax else { throw .lengths(4) }
  }
}
