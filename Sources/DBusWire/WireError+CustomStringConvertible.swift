// What a log says of a malformed message. Built only when read.

extension WireError: CustomStringConvertible {
  /// One sentence without its full stop, for example `header field SENDER is not a bus name, at byte 52`.
  public var description: String { "\(fault), at byte \(offset)" }

  private var fault: String {
    switch self {
    case .byteOrder: "byte order is neither 'l' nor 'B'"
    case .type: "message type is 0"
    case .version: "protocol version is not 1"
    case .serial: "serial is 0"
    case .lengths: "lengths exceed what a message may have"
    case .truncated: "value ends beyond what it is in"
    case .padding: "padding is not zero"
    case .fieldCode: "header field has code 0"
    case .fieldType(let field, _): "header field \(field) is not of type '\(Unicode.Scalar(field.typeCode))'"
    case .fieldTwice(let field, _): "header field \(field) is there twice"
    case .fieldMissing(let field, _): "header field \(field) is missing"
    case .fieldValue(let field, _): "header field \(field) is not \(field.requirement)"
    case .reserved(let field, _): "header field \(field) is reserved for local use"
    case .bodyWithoutSignature: "body has no signature"
    case .signatureWithoutBody: "signature has no body"
    case .terminator: "string does not end in NUL"
    case .signature: "signature is malformed"
    case .boolean: "boolean is neither 0 nor 1"
    case .string: "string is not UTF-8"
    case .objectPath: "object path is malformed"
    case .array: "array's length is wrong"
    case .depth: "more than 64 containers inside each other"
    case .trailing: "bytes follow the last value"
    case .unexpectedSignature: "signature is not the one expected"
    }
  }
}
