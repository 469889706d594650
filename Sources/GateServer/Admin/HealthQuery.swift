// Which gate's health is asked for: the query of `/healthz?gate=NAME`. Bytes in, values out.
//
// Source: RFC 3986, 2.1 and 3.4. A plus sign is a plus sign: no form is sent here.

/// Which gate is meant.
struct HealthQuery: Equatable {
  /// Why a query is none.
  struct Refusal: Error, Equatable {
    /// What is wrong and what was expected.
    let text: String
  }

  /// Its label; nil: all of them.
  var gate: String?

  /// Reads what stands behind the `?`. Nothing there is as good as no question mark.
  init(_ query: String?) throws(Refusal) {
    for parameter in (query ?? "").utf8.split(separator: UInt8(ascii: "&")) {
      let parts = parameter.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      let key = try Self.decoded(parts[0])
      if key != "gate" || parts.count != 2 { throw Refusal(text: "\(key) is no question, expected gate=NAME") }
      if gate != nil { throw Refusal(text: "gate given twice, expected one") }
      gate = try Self.decoded(parts[1])
    }
  }

  private static func decoded(_ part: Substring.UTF8View) throws(Refusal) -> String {
    var bytes: [UInt8] = []
    var rest = part
    while let byte = rest.popFirst() {
      if byte != UInt8(ascii: "%") {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
        throw Refusal(text: "% without its two hexadecimal digits")
      }
      bytes.append(high << 4 | low)
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Refusal(text: "not UTF-8, expected the label of a gate")
    }
    return text
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }

  /// The target that asks for the health of a gate; nil: of all.
  static func target(for gate: String?) -> String {
    guard let gate else { return "/healthz" }
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes = Array("/healthz?gate=".utf8)
    for byte in gate.utf8 {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
        bytes.append(byte)
      default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
