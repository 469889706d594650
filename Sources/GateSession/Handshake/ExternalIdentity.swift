// Which user a client says it is in mechanism EXTERNAL. Reads the words; whether they are true, others decide.

import DBusWire

/// The authorization identity of mechanism EXTERNAL, as D-Bus uses it: a uid in decimal, in hexadecimal digits on the wire.
///
/// Exact, as in dbus-broker: no sign, no blanks, no leading zero. libdbus lets strtol(3) read it with base 0, and so takes `0x3e8`
/// and octal as well; no client sends those.
///
/// Spec: "auth-mechanisms".
enum ExternalIdentity: Equatable {
  /// Nothing was said: whoever the transport says.
  case unstated
  /// A uid.
  case uid(UInt32)
  /// Not hexadecimal digits, or not a uid.
  case malformed

  /// Reads a response, still in hexadecimal digits.
  init(hex: RawSpan) {
    guard hex.byteCount > 0 else {
      self = .unstated
      return
    }
    self = ExternalIdentity.decimal(hex).map { .uid($0) } ?? .malformed
  }

  /// The number, if it is one and smaller than 2³²−1, which is nobody's uid: it is what setresuid(2) takes for "leave it".
  private static func decimal(_ hex: RawSpan) -> UInt32? {
    guard hex.byteCount.isMultiple(of: 2), hex.byteCount <= 20 else { return nil }
    var value: UInt64 = 0
    for offset in stride(from: 0, to: hex.byteCount, by: 2) {
      // An ASCII digit is 30…39.
      guard hex.byte(at: offset) == UInt8(ascii: "3"), let digit = hexDigitValue(hex.byte(at: offset + 1)), digit <= 9
      else { return nil }
      if offset > 0 && value == 0 { return nil }
      value = value * 10 + UInt64(digit)
    }
    return value < UInt64(UInt32.max) ? UInt32(value) : nil
  }
}
