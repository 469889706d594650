// Walks over marshalled values and keeps none. Of a value that it doesn't use, a filter has to know whether it is well-formed and where it
// ends. MessageHeader uses it for fields that the specification doesn't know, MessageArguments for bodies.
//
// Time is linear: a value takes at least one byte, an array without elements four bytes and at most 255 steps over its type.
// Depth is bounded by `containersMax`, whatever a variant says; nothing is allocated.

/// Reads marshalled values of a known signature, one after the other, checking everything that the specification says of them:
/// alignment, zero padding, booleans, strings, paths, signatures, lengths of arrays, depth.
///
/// Offsets are counted from the start of `bytes`, which must be where alignment is counted from: the start of a message or a
/// body.
///
/// Spec: "message-protocol-marshaling".
struct ValueReader: ~Escapable {
  /// Most containers inside each other, variants included. Spec: "message-protocol-marshaling-container".
  static var containersMax: Int { 64 }

  let bytes: RawSpan
  let byteOrder: ByteOrder
  /// Where the next value, or padding before it, begins.
  private(set) var offset: Int

  /// A reader that begins at `offset`, which must not be beyond the end of `bytes`.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan, byteOrder: ByteOrder, from offset: Int) {
    precondition(offset >= 0 && offset <= bytes.byteCount, "begins outside of the bytes")
    self.bytes = bytes
    self.byteOrder = byteOrder
    self.offset = offset
  }

  /// Reads over one value of each complete type in `signature`, none of which may go beyond `end`.
  ///
  /// Precondition: `signature` is one, and `end` is not beyond the end of the bytes.
  @_lifetime(self: copy self)
  mutating func skip(_ signature: RawSpan, end: Int, containers: Int) throws(WireError) {
    var type = 0
    while type < signature.byteCount { try skipValue(signature, &type, end, containers) }
  }

  /// Reads over the value whose type is at `type` in `signature`, and leaves `type` after it.
  @_lifetime(self: copy self)
  private mutating func skipValue(
    _ signature: RawSpan, _ type: inout Int, _ end: Int, _ containers: Int
  ) throws(WireError) {
    if containers > ValueReader.containersMax { throw .depth(offset) }
    let code = signature.byte(at: type)
    switch code {
    case UInt8(ascii: "a"): try skipArray(signature, &type, end, containers)
    case UInt8(ascii: "("), UInt8(ascii: "{"): try skipStruct(signature, &type, end, containers)
    default:
      type &+= 1
      try skipSimple(code, end, containers)
    }
  }

  @_lifetime(self: copy self)
  private mutating func skipSimple(_ code: UInt8, _ end: Int, _ containers: Int) throws(WireError) {
    switch code {
    case UInt8(ascii: "s"): _ = try takeText(end)
    case UInt8(ascii: "o"):
      let path = try takeString(end)
      guard NameGrammar.isObjectPath(bytes, path, offset &- 1 &- path) else { throw .objectPath(path) }
    case UInt8(ascii: "g"): _ = try takeSignature(end)
    case UInt8(ascii: "v"): try skipVariant(end, containers: containers)
    case UInt8(ascii: "b"):
      guard try takeUInt32(end) <= 1 else { throw .boolean(offset &- 4) }
    case let code:
      let byteCount = ValueReader.fixedByteCount(code)
      try align(byteCount, end)
      try take(byteCount, end)
    }
  }

  @_lifetime(self: copy self)
  private mutating func skipStruct(
    _ signature: RawSpan, _ type: inout Int, _ end: Int, _ containers: Int
  ) throws(WireError) {
    try align(8, end)
    type &+= 1
    while signature.byte(at: type) != UInt8(ascii: ")") && signature.byte(at: type) != UInt8(ascii: "}") {
      try skipValue(signature, &type, end, containers &+ 1)
    }
    type &+= 1
  }

  @_lifetime(self: copy self)
  private mutating func skipArray(
    _ signature: RawSpan, _ type: inout Int, _ end: Int, _ containers: Int
  ) throws(WireError) {
    let byteCount = Int(try takeUInt32(end))
    if byteCount > MessageFrame.fieldsByteCountMax { throw .array(offset &- 4) }
    let element = type &+ 1
    // The padding before the first element is there even if no element is, and doesn't count as the array's.
    try align(ValueReader.alignment(signature.byte(at: element)), end)
    guard byteCount <= end &- offset else { throw .truncated(offset) }
    let arrayEnd = offset &+ byteCount
    let fixed = ValueReader.fixedByteCount(signature.byte(at: element))
    if byteCount != 0 && containers == ValueReader.containersMax { throw .depth(offset) }
    if byteCount == 0 {
      type = ValueReader.endOfType(signature, element)
    } else if fixed != 0 {
      // Numbers may have any value: only their count has to fit.
      guard byteCount % fixed == 0 else { throw .array(offset) }
      offset = arrayEnd
      type = element &+ 1
    } else {
      repeat {
        type = element
        try skipValue(signature, &type, arrayEnd, containers &+ 1)
      } while offset < arrayEnd
    }
  }

  @_lifetime(self: copy self)
  mutating func skipVariant(_ end: Int, containers: Int) throws(WireError) {
    let signature = try takeSignature(end)
    let count = offset &- 1 &- signature
    guard Signature.isSingleCompleteType(bytes, signature, count) else { throw .signature(signature) }
    var type = 0
    try skipValue(bytes.extracting(signature..<signature &+ count), &type, end, containers &+ 1)
  }
}

// What values are made of. Each function moves `offset` over what it has checked.
extension ValueReader {
  /// Passes over padding up to a multiple of `alignment`.
  @_lifetime(self: copy self)
  mutating func align(_ alignment: Int, _ end: Int) throws(WireError) {
    let next = aligned(offset, to: alignment)
    guard next <= end else { throw .truncated(offset) }
    while offset < next {
      guard bytes.byte(at: offset) == 0 else { throw .padding(offset) }
      offset &+= 1
    }
  }

  /// Passes over `count` bytes.
  @_lifetime(self: copy self)
  private mutating func take(_ count: Int, _ end: Int) throws(WireError) {
    guard count <= end &- offset else { throw .truncated(offset) }
    offset &+= count
  }

  /// A number of four bytes, and the padding before it.
  @_lifetime(self: copy self)
  mutating func takeUInt32(_ end: Int) throws(WireError) -> UInt32 {
    try align(4, end)
    try take(4, end)
    return bytes.uint32(at: offset &- 4, byteOrder)
  }

  /// A length, that many bytes and their NUL. Returns where the bytes begin; the NUL is the byte before `offset`.
  @_lifetime(self: copy self)
  mutating func takeString(_ end: Int) throws(WireError) -> Int {
    let count = Int(try takeUInt32(end))
    let start = offset
    try take(count &+ 1, end)
    guard bytes.byte(at: offset &- 1) == 0 else { throw .terminator(offset &- 1) }
    return start
  }

  /// A STRING, as `takeString`, and checked.
  @_lifetime(self: copy self)
  mutating func takeText(_ end: Int) throws(WireError) -> Int {
    let start = try takeString(end)
    guard UTF8Grammar.isValid(bytes, start, offset &- 1 &- start) else { throw .string(start) }
    return start
  }

  /// A signature, as `takeString`, and checked.
  @_lifetime(self: copy self)
  mutating func takeSignature(_ end: Int) throws(WireError) -> Int {
    try take(1, end)
    let start = offset, count = Int(bytes.byte(at: offset &- 1))
    try take(count &+ 1, end)
    guard bytes.byte(at: offset &- 1) == 0 else { throw .terminator(offset &- 1) }
    guard Signature.isSignature(bytes, start, count) else { throw .signature(start) }
    return start
  }

  /// How many bytes a value of type `code` always takes, if any value of that size is legal; otherwise 0.
  static func fixedByteCount(_ code: UInt8) -> Int {
    switch code {
    case UInt8(ascii: "y"): 1
    case UInt8(ascii: "n"), UInt8(ascii: "q"): 2
    case UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "h"): 4
    case UInt8(ascii: "x"), UInt8(ascii: "t"), UInt8(ascii: "d"): 8
    default: 0
    }
  }

  /// What the offset of a value whose type begins with `code` has to be a multiple of.
  static func alignment(_ code: UInt8) -> Int {
    switch code {
    case UInt8(ascii: "y"), UInt8(ascii: "g"), UInt8(ascii: "v"): 1
    case UInt8(ascii: "n"), UInt8(ascii: "q"): 2
    case UInt8(ascii: "x"), UInt8(ascii: "t"), UInt8(ascii: "d"), UInt8(ascii: "("), UInt8(ascii: "{"): 8
    default: 4
    }
  }

  /// Where the type at `type` ends. Precondition: there is a complete one.
  private static func endOfType(_ signature: RawSpan, _ type: Int) -> Int {
    var type = type, open = 0
    while true {
      let code = signature.byte(at: type)
      type &+= 1
      switch code {
      case UInt8(ascii: "a"): continue
      case UInt8(ascii: "("), UInt8(ascii: "{"): open &+= 1
      case UInt8(ascii: ")"), UInt8(ascii: "}"): open &-= 1
      default: break
      }
      if open == 0 { return type }
    }
  }
}
