// Arguments of the few calls whose bodies a gate has to understand: a match rule, a name. A body that isn't exactly as expected is
// refused, since a bus would read on behind the arguments that the gate has read.

/// Reads arguments out of bodies.
///
/// Spec: "message-protocol-marshaling".
public enum MessageArguments {
  /// The string that is the first argument of a body with a known signature.
  ///
  /// The whole body is checked for that signature, to its very end. An empty string is a range of no bytes, at its place.
  ///
  /// - Parameters:
  ///   - body: all bytes of the body.
  ///   - byteOrder: the order of the message that the body belongs to.
  ///   - signature: the SIGNATURE of that message.
  ///   - expected: what the signature has to be. Begins with `s` (precondition).
  ///
  /// Throws `unexpectedSignature`, or what is wrong with the body.
  public static func leadingString(
    in body: RawSpan, byteOrder: ByteOrder, signature: RawSpan, expected: StaticString
  ) throws(WireError) -> ByteRange {
    guard signature.isEqual(to: expected) else { throw .unexpectedSignature(0) }
    precondition(signature.byteCount > 0 && signature.byte(at: 0) == UInt8(ascii: "s"), "a leading string was asked for")
    var reader = ValueReader(body, byteOrder: byteOrder, from: 0)
    let start = try reader.takeText(body.byteCount)
    let string = ByteRange(offset: UInt32(start), count: UInt32(reader.offset - 1 - start))
    try reader.skip(signature.extracting(droppingFirst: 1), end: body.byteCount, containers: 0)
    guard reader.offset == body.byteCount else { throw .trailing(reader.offset) }
    return string
  }

  /// Checks that a body is one array of strings, which ``StringArray`` then reads.
  ///
  /// Throws `unexpectedSignature` if the signature is not `as`, or what is wrong with the body.
  public static func checkStrings(in body: RawSpan, byteOrder: ByteOrder, signature: RawSpan) throws(WireError) {
    guard signature.isEqual(to: "as") else { throw .unexpectedSignature(0) }
    try check(body, byteOrder: byteOrder, signature: signature)
  }

  /// The three strings that are all of a body.
  ///
  /// Throws `unexpectedSignature` if the signature is not `sss`, or what is wrong with the body.
  public static func threeStrings(
    in body: RawSpan, byteOrder: ByteOrder, signature: RawSpan
  ) throws(WireError) -> (ByteRange, ByteRange, ByteRange) {
    guard signature.isEqual(to: "sss") else { throw .unexpectedSignature(0) }
    var reader = ValueReader(body, byteOrder: byteOrder, from: 0)
    func range(_ start: Int, _ end: Int) -> ByteRange { ByteRange(offset: UInt32(start), count: UInt32(end - 1 - start)) }
    let first = range(try reader.takeText(body.byteCount), reader.offset)
    let second = range(try reader.takeText(body.byteCount), reader.offset)
    let third = range(try reader.takeText(body.byteCount), reader.offset)
    guard reader.offset == body.byteCount else { throw .trailing(reader.offset) }
    return (first, second, third)
  }

  /// The number that is all of a body.
  ///
  /// Throws `truncated` or `trailing` if the body is not of four bytes.
  public static func uint32(in body: RawSpan, byteOrder: ByteOrder) throws(WireError) -> UInt32 {
    guard body.byteCount >= 4 else { throw .truncated(0) }
    guard body.byteCount == 4 else { throw .trailing(4) }
    return body.uint32(at: 0, byteOrder)
  }

  /// Checks that a body is well-formed for its signature, to its very end. Time is linear in the bytes of the body.
  ///
  /// Throws what is wrong with the body, or `signature` if the signature is not one.
  public static func check(_ body: RawSpan, byteOrder: ByteOrder, signature: RawSpan) throws(WireError) {
    guard Signature.isSignature(signature) else { throw .signature(0) }
    var reader = ValueReader(body, byteOrder: byteOrder, from: 0)
    try reader.skip(signature, end: body.byteCount, containers: 0)
    guard reader.offset == body.byteCount else { throw .trailing(reader.offset) }
  }
}
