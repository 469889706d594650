// The text of a unique name where it lies in a table: no memory of its own.

import DBusWire

/// A unique name of up to 31 bytes, which no bus makes longer: the longest are `:1.` and 20 digits.
///
/// Spec: "message-protocol-names-bus".
struct UniqueNameText: BitwiseCopyable {
  private var storage = InlineArray<31, UInt8>(repeating: 0)
  private var count: UInt8 = 0

  init(_ name: RawSpan) {
    if name.byteCount > storage.count { return }
    for i in 0..<name.byteCount { storage[i] = name.byte(at: i) }
    count = UInt8(name.byteCount)
  }

  /// Whether the name fitted; if not, it is not known.
  var isWhole: Bool { count > 0 }

  var bytes: [UInt8] { (0..<Int(count)).map { storage[$0] } }
}
