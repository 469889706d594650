// The header fields that the specification knows, by their codes.

/// A known header field. Codes above these are legal, and to be ignored; 0 is not a field.
///
/// Spec: "message-protocol-header-fields".
public enum HeaderField: UInt8, BitwiseCopyable, Sendable {
  /// The object that a call goes to or that a signal comes from.
  case path = 1
  /// The interface of a call (may be missing) or of a signal (may not).
  case interface = 2
  /// The method or the signal.
  case member = 3
  /// The name of an error.
  case errorName = 4
  /// The serial of the call that this answers.
  case replySerial = 5
  /// The bus name that a message is for.
  case destination = 6
  /// The unique name that a message is from, written by the bus.
  case sender = 7
  /// The signature of the body.
  case signature = 8
  /// How many file descriptors travel with the message.
  case unixFDs = 9
  /// The container instance that a message is from, written by the bus.
  case containerInstance = 10
}

extension HeaderField {
  /// The type code of the field's value.
  package var typeCode: UInt8 {
    switch self {
    case .path, .containerInstance: UInt8(ascii: "o")
    case .interface, .member, .errorName, .destination, .sender: UInt8(ascii: "s")
    case .replySerial, .unixFDs: UInt8(ascii: "u")
    case .signature: UInt8(ascii: "g")
    }
  }

  /// This field's place in a set of fields.
  var bit: UInt16 { 1 &<< UInt16(rawValue) }
}

extension HeaderField: CustomStringConvertible {
  /// The specification's name of the field.
  public var description: String {
    switch self {
    case .path: "PATH"
    case .interface: "INTERFACE"
    case .member: "MEMBER"
    case .errorName: "ERROR_NAME"
    case .replySerial: "REPLY_SERIAL"
    case .destination: "DESTINATION"
    case .sender: "SENDER"
    case .signature: "SIGNATURE"
    case .unixFDs: "UNIX_FDS"
    case .containerInstance: "CONTAINER_INSTANCE"
    }
  }

  /// What the field's value has to be, with its article.
  var requirement: String {
    switch self {
    case .path, .containerInstance: "an object path"
    case .interface: "an interface name"
    case .member: "a member name"
    case .errorName: "an error name"
    case .replySerial: "a serial"
    case .destination, .sender: "a bus name"
    case .signature: "a signature"
    case .unixFDs: "a number"
    }
  }
}
