// Serials of the gate's own messages. dbus-daemon answers calls that asked for no answer, and refuses signals with an error: such an answer,
// of which the gate keeps no account, must never be taken for that to a call of the gate's own. So own calls take their serials from one of
// two blocks, in which the client has nothing under way; what is left in the other one the bus has dealt with once it answers an own
// call that was made later, since it answers in order.

/// The serials that the gate takes, and what the client has in the same places.
struct OwnSerials {
  /// The lower block begins here, the upper one ends with the highest serial.
  static let first: UInt32 = 0xFE00_0000
  /// The bits that all serials of a block share, and the one in which the two blocks differ.
  private static let blockBits: UInt32 = 0xFF00_0000, otherBlock: UInt32 = 0x0100_0000

  /// The next one, counted down. Of the block that own calls are made in.
  private var next: UInt32 = .max
  /// Whether the client may have an answer coming in the other block.
  private var isOtherInUse = false
  /// The first own call that was made since then; 0: none.
  private var fence: UInt32 = 0

  /// Takes a serial.
  mutating func take() -> UInt32 {
    let serial = next
    next = serial & ~Self.blockBits == 0 ? serial | ~Self.blockBits : serial - 1
    return serial
  }

  private func isOwn(_ serial: UInt32) -> Bool { (serial ^ next) & Self.blockBits == 0 }

  /// Whether the client may say something of which no account is kept. If not, it has to wait for an answer to an own call that
  /// was made after what it has said in the other block.
  func mayClientUse(_ serial: UInt32) -> Bool { !isOwn(serial) || !isOtherInUse }

  /// It has done so.
  mutating func noteClientUse(of serial: UInt32) {
    if serial < Self.first { return }
    if isOwn(serial) { next = (next ^ Self.otherBlock) | ~Self.blockBits }
    isOtherInUse = true
    fence = 0
  }

  /// Whether the client waits for a call that is not made yet.
  var lacksFence: Bool { isOtherInUse && fence == 0 }

  /// An own call is made.
  mutating func noteCall(_ serial: UInt32) { if lacksFence { fence = serial } }

  /// An own call is answered.
  mutating func noteAnswer(to serial: UInt32) { if serial == fence { (isOtherInUse, fence) = (false, 0) } }
}
