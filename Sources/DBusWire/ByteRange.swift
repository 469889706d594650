// A place inside a message. Says where bytes are, never holds them: the caller owns the memory.

/// A range of bytes counted from the first byte of the message (or of the body, or line) that it was found in.
///
/// A range of no bytes means "absent": none of the values that the wire module hands out as ranges may be empty when present,
/// but SIGNATURE, where empty and absent mean the same.
///
/// Source: ours.
public struct ByteRange: BitwiseCopyable, Equatable, Sendable {
  /// Offset of the first byte.
  public var offset: UInt32
  /// Number of bytes.
  public var count: UInt32

  /// A range of `count` bytes from `offset` on.
  @inlinable
  public init(offset: UInt32, count: UInt32) {
    self.offset = offset
    self.count = count
  }

  /// The absent range.
  @inlinable
  public init() { self.init(offset: 0, count: 0) }

  /// Whether there is nothing here.
  @inlinable
  public var isAbsent: Bool { count == 0 }
}
