// What a bus said of itself while the gate authenticated to it, and what a client is therefore told.

import DBusWire

/// The bus's GUID, and whether the bus agreed to pass descriptors.
///
/// Spec: "auth-command-ok", "uuids".
public struct BusIdentity: Sendable {
  /// The 32 hexadecimal digits, in the case in which the bus sent them.
  public let guid: InlineArray<32, UInt8>
  /// Whether descriptors may be sent to this bus.
  public var unixFDs: Bool

  /// Precondition: `guid` is hexadecimal digits only, since it goes into a line to the client as it is.
  public init(guid: InlineArray<32, UInt8>, unixFDs: Bool) {
    for index in guid.indices { precondition(hexDigitValue(guid[index]) != nil, "a GUID is 32 hexadecimal digits") }
    self.guid = guid
    self.unixFDs = unixFDs
  }

  /// Reads the argument of OK; nil if it is anything but 32 hexadecimal digits.
  public init?(guid text: RawSpan, unixFDs: Bool) {
    var guid = InlineArray<32, UInt8>(repeating: 0)
    guard text.byteCount == guid.count else { return nil }
    for index in guid.indices {
      let digit = text.byte(at: index)
      guard hexDigitValue(digit) != nil else { return nil }
      guid[index] = digit
    }
    self.guid = guid
    self.unixFDs = unixFDs
  }

  /// Whether it is the same bus, whatever was agreed on there.
  public func isSame(as other: BusIdentity) -> Bool {
    for index in guid.indices where guid[index] != other.guid[index] { return false }
    return true
  }
}

extension BusIdentity {
  /// Whether the GUID is the one that these hexadecimal digits, in whatever case, spell.
  public func hasGUID(_ digits: some Sequence<UInt8>) -> Bool {
    var index = 0
    for digit in digits {
      guard index < guid.count, let value = hexDigitValue(digit), value == hexDigitValue(guid[index]) else { return false }
      index += 1
    }
    return index == guid.count
  }
}

extension BusIdentity: Equatable {
  /// Whether both are the same, digit by digit: no two spellings of a GUID are equal.
  public static func == (left: BusIdentity, right: BusIdentity) -> Bool {
    for index in left.guid.indices where left.guid[index] != right.guid[index] { return false }
    return left.unixFDs == right.unixFDs
  }
}
