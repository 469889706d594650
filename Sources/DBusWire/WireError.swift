// Everything that can be wrong with bytes that claim to be a message or a part of one. Each is the sender's fault.

/// Why bytes are not well-formed. Each case carries the offset of the offending byte, counted from the first byte of the message
/// (or, where a body alone was read, of the body).
///
/// Spec: "message-protocol".
public enum WireError: Error, Equatable, Sendable, BitwiseCopyable {
  /// The first byte is neither `l` nor `B`.
  case byteOrder(Int)
  /// The message type is 0.
  case type(Int)
  /// The protocol version is not 1.
  case version(Int)
  /// The serial is 0.
  case serial(Int)
  /// The header fields claim more than 67,108,864 bytes, or the whole message more than 134,217,728.
  case lengths(Int)
  /// A value ends beyond the end of what it is in.
  case truncated(Int)
  /// A padding byte is not zero.
  case padding(Int)
  /// The array of header fields has a field with code 0.
  case fieldCode(Int)
  /// A known header field has another type than the specification gives it.
  case fieldType(HeaderField, Int)
  /// A known header field is there twice.
  case fieldTwice(HeaderField, Int)
  /// A header field that this type of message must have is not there.
  case fieldMissing(HeaderField, Int)
  /// A header field's value does not follow its grammar.
  case fieldValue(HeaderField, Int)
  /// The path or the interface is the one reserved for a library talking to itself.
  case reserved(HeaderField, Int)
  /// There is a body, but the signature is empty or not there.
  case bodyWithoutSignature(Int)
  /// There is a signature, but no body.
  case signatureWithoutBody(Int)
  /// A string does not end in a NUL byte.
  case terminator(Int)
  /// A signature inside a value is not one, or a variant's is not exactly one complete type.
  case signature(Int)
  /// A boolean is neither 0 nor 1.
  case boolean(Int)
  /// A string is not UTF-8, or has a NUL inside.
  case string(Int)
  /// An object path inside a value is not one.
  case objectPath(Int)
  /// An array claims more than 67,108,864 bytes, or its elements don't end where it does.
  case array(Int)
  /// More than 64 containers inside each other.
  case depth(Int)
  /// Bytes follow the last value.
  case trailing(Int)
  /// The signature is well-formed but not the one expected.
  case unexpectedSignature(Int)

  /// Offset of the offending byte.
  public var offset: Int {
    switch self {
    case .byteOrder(let offset), .type(let offset), .version(let offset), .serial(let offset), .lengths(let offset),
      .truncated(let offset), .padding(let offset), .fieldCode(let offset), .fieldType(_, let offset),
      .fieldTwice(_, let offset), .fieldMissing(_, let offset), .fieldValue(_, let offset), .reserved(_, let offset),
      .bodyWithoutSignature(let offset), .signatureWithoutBody(let offset), .terminator(let offset), .signature(let offset),
      .boolean(let offset), .string(let offset), .objectPath(let offset), .array(let offset), .depth(let offset),
      .trailing(let offset), .unexpectedSignature(let offset):
      offset
    }
  }
}
