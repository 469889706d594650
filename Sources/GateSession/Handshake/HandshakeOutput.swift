// Replies of a handshake that still have to leave. Knows no protocol, sends nothing: a machine appends, who drives the machine
// takes the bytes to the socket. The handshake is not the hot path, so this is an array.

/// Bytes that a handshake wants sent, in their order.
///
/// Bounded by who appends: a machine consumes nothing more once it `isFull`, and one line of input causes one short line of output.
///
/// Source: ours.
public struct HandshakeOutput: ~Copyable, Sendable {
  /// From this many waiting bytes on nothing more is consumed that could cause more. Ours, not tuned: some hundred replies.
  public static let bytesMax = 4096

  private var storage: [UInt8] = []

  /// Nothing to send.
  public init() {}

  /// Number of bytes that wait.
  public var count: Int { storage.count }

  /// Whether replies must leave before more may be caused.
  public var isFull: Bool { storage.count >= HandshakeOutput.bytesMax }

  /// Appends the UTF-8 bytes of `text`.
  public mutating func append(_ text: String) { storage.append(contentsOf: text.utf8) }

  /// Appends one byte.
  public mutating func append(_ byte: UInt8) { storage.append(byte) }

  /// Appends the digits of a GUID.
  public mutating func append(_ guid: InlineArray<32, UInt8>) {
    for index in guid.indices { storage.append(guid[index]) }
  }

  /// Lends the waiting bytes to `body`.
  public func withBytes<Result, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // Unsafe for types with padding, which UInt8 has not.
    try unsafe body(storage.span.bytes)
  }

  /// Forgets the first `count` bytes, which were sent. Precondition: so many wait.
  public mutating func removeFirst(_ count: Int) { storage.removeFirst(count) }

  /// Forgets everything, which was sent or is not wanted any more.
  public mutating func removeAll(keepingCapacity: Bool = false) {
    storage.removeAll(keepingCapacity: keepingCapacity)
  }
}
