// Bodies of messages, and the arguments of driver calls. Input: byte order and what is expected (a byte), length of the signature, the
// signature, the body.

import DBusWire

enum ArgumentsBody {
  static func run(_ input: [UInt8]) {
    var bytes = Bytes(input)
    let choice = bytes.byte()
    let order: ByteOrder = choice & 1 == 0 ? .little : .big
    let expected: StaticString = choice & 2 == 0 ? "s" : choice & 4 == 0 ? "su" : "ssv"
    let signature = bytes.take(bytes.byte())
    let body = Array(bytes.rest)
    var isWellFormed = true
    do throws(WireError) {
      try MessageArguments.check(body.span.bytes, byteOrder: order, signature: signature.span.bytes)
      demand(Signature.isSignature(signature.span.bytes), "a body has a signature that is none")
    } catch {
      isWellFormed = false
      demand(!"\(error)".isEmpty, "an error that says nothing")
    }
    if Signature.isSingleCompleteType(signature.span.bytes) {
      demand(Signature.isSignature(signature.span.bytes), "one complete type is no signature")
    }
    do throws(WireError) {
      let place = try MessageArguments.leadingString(
        in: body.span.bytes, byteOrder: order, signature: signature.span.bytes, expected: expected)
      demand(isWellFormed, "an argument was found in a body that is malformed")
      let text = body[Int(place.offset)..<Int(place.offset) + Int(place.count)]
      demand(!text.contains(0) && String(validating: text, as: UTF8.self) != nil, "an argument that is no text")
    } catch {
      demand(!(isWellFormed && signature == Array("\(expected)".utf8)), "an argument was not found: \(error)")
    }
    if let number = try? MessageArguments.uint32(in: body.span.bytes, byteOrder: order) {
      let expected = body.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.1) << UInt32(8 * (order == .big ? 3 - $1.0 : $1.0)) }
      demand(body.count == 4 && number == expected, "another number")
    }
  }
}
