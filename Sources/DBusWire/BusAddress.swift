// Server addresses. Knows their grammar, not their transports: which keys a transport has is for whoever opens it to say.
// Read at start from the environment and the command line; may allocate.

/// One alternative of a server address: a transport and what it needs to know.
///
/// Spec: "addresses".
public struct BusAddress: Equatable, Sendable {
  /// A key and its value.
  public struct Parameter: Equatable, Sendable {
    /// The key.
    public let key: String
    /// The value, unescaped. Not empty, without NUL; not necessarily UTF-8, as paths needn't be.
    public let value: [UInt8]
  }

  /// What is before the colon, such as `unix`.
  public let transport: String
  /// The keys in their order, each there once, without `guid`.
  public let parameters: [Parameter]
  /// What the server's GUID has to be: 32 hexadecimal digits; nil if the address doesn't say.
  public let guid: String?

  /// The value of `key`, or nil if the address doesn't have it.
  public subscript(key: String) -> [UInt8]? { parameters.first { $0.key == key }?.value }

  /// All alternatives of an address, in the order to be tried.
  ///
  /// As libdbus does, takes a `;` after the last alternative and a `,` after the last key, and `\` and `*` unescaped. Unlike
  /// libdbus, refuses repeated keys, a `guid` that isn't one, an empty transport, and NUL, at which libdbus would cut the value
  /// off.
  ///
  /// Throws what was expected where.
  public static func parse(_ text: String) throws(AddressError) -> [BusAddress] { try parse(Array(text.utf8)) }

  /// All alternatives of an address, in the order to be tried. As `parse(_:)` of a string.
  public static func parse(_ text: [UInt8]) throws(AddressError) -> [BusAddress] {
    if text.isEmpty { throw .empty }
    var addresses: [BusAddress] = [], offset = 0
    while offset < text.count {
      let end = text[offset...].firstIndex(of: UInt8(ascii: ";")) ?? text.count
      addresses.append(try BusAddress(text, offset..<end))
      offset = end + 1
    }
    return addresses
  }

  private init(_ text: [UInt8], _ range: Range<Int>) throws(AddressError) {
    guard let colon = text[range].firstIndex(of: UInt8(ascii: ":")), colon > range.lowerBound,
      text[range.lowerBound..<colon].allSatisfy(BusAddress.mayStandUnescaped)
    else { throw .transport(range.lowerBound) }
    var parameters: [Parameter] = [], guid: String?
    var offset = colon + 1
    while offset < range.upperBound {
      let end = text[offset..<range.upperBound].firstIndex(of: UInt8(ascii: ",")) ?? range.upperBound
      guard let equals = text[offset..<end].firstIndex(of: UInt8(ascii: "=")), equals > offset,
        text[offset..<equals].allSatisfy(BusAddress.mayStandUnescaped)
      else { throw .key(offset) }
      let key = String(decoding: text[offset..<equals], as: UTF8.self)
      let value = try BusAddress.unescape(text, equals + 1..<end)
      if parameters.contains(where: { $0.key == key }) || key == "guid" && guid != nil { throw .repeatedKey(offset) }
      if key == "guid" {
        guard value.count == 32, value.allSatisfy({ BusAddress.hexadecimal($0) != nil }) else { throw .guid(equals + 1) }
        guid = String(decoding: value, as: UTF8.self)
      } else {
        parameters.append(Parameter(key: key, value: value))
      }
      offset = end + 1
    }
    self.transport = String(decoding: text[range.lowerBound..<colon], as: UTF8.self)
    self.parameters = parameters
    self.guid = guid
  }

  private static func unescape(_ text: [UInt8], _ range: Range<Int>) throws(AddressError) -> [UInt8] {
    if range.isEmpty { throw .value(range.lowerBound) }
    var value: [UInt8] = [], offset = range.lowerBound
    while offset < range.upperBound {
      let byte = text[offset]
      if byte == UInt8(ascii: "%") {
        guard offset + 2 < range.upperBound, let high = hexadecimal(text[offset + 1]), let low = hexadecimal(text[offset + 2])
        else { throw .escape(offset) }
        if high | low == 0 { throw .nul(offset) }
        value.append(high << 4 | low)
        offset += 3
      } else {
        guard mayStandUnescaped(byte) else { throw .unescaped(offset) }
        value.append(byte)
        offset += 1
      }
    }
    return value
  }

  /// Whether `byte` is of the set that the specification calls optionally-escaped: `[-0-9A-Za-z_/.\*]`.
  private static func mayStandUnescaped(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "\\"), UInt8(ascii: "*"): true
    default: false
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }
}
