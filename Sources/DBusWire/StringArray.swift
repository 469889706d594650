// The strings of a body that is an array of strings and was checked. Allocates nothing.

/// Reads the strings of a body for which ``MessageArguments/checkStrings(in:byteOrder:signature:)`` did not throw.
///
/// Spec: "message-protocol-marshaling".
public struct StringArray: ~Escapable {
  private let body: RawSpan
  private let byteOrder: ByteOrder
  private var offset = 4

  /// The strings of `body`.
  @_lifetime(copy body)
  public init(_ body: RawSpan, byteOrder: ByteOrder) {
    self.body = body
    self.byteOrder = byteOrder
  }

  /// The next one; nil at the end.
  @_lifetime(copy self)
  public mutating func next() -> RawSpan? {
    let lengthStart = aligned(offset, to: 4)
    if lengthStart >= body.byteCount { return nil }
    let count = Int(body.uint32(at: lengthStart, byteOrder))
    let start = lengthStart + 4
    offset = start + count + 1
    return body.extracting(start..<start + count)
  }
}
