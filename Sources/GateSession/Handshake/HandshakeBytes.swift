// What the handshakes look for in bytes.

import DBusWire

extension RawSpan {
  /// Offset of the first `byte`, or nil.
  func firstOffset(of byte: UInt8) -> Int? {
    for offset in 0..<byteCount where self.byte(at: offset) == byte { return offset }
    return nil
  }
}

/// What a hexadecimal digit of either case is worth, or nil.
func hexDigitValue(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}
