// What tells one program of several from the others, in its log and its metrics: the unit's %i.

/// The name of an instance, as systemd allows it behind the `@` of a unit's name.
///
/// Source: systemd.unit(5): letters, digits and `:` `-` `_` `.` `\`; `@` may stand in an instance too.
public struct InstanceName: Sendable, Equatable, CustomStringConvertible {
  /// Bytes of a name: no unit's whole name has more.
  public static let byteCountMax = 255

  /// The name.
  public let description: String

  /// A name; nil if `text` is none.
  public init?(_ text: String) {
    if text.isEmpty || text.utf8.count > Self.byteCountMax || !text.utf8.allSatisfy(Self.allows) { return nil }
    description = text
  }

  private static func allows(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "\\"), UInt8(ascii: "@"):
      true
    default: false
    }
  }
}
