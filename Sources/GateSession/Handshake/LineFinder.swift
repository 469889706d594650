// Where a line of the handshake ends. Keeps no bytes: the caller presents what was not consumed again, with more behind it, and
// the finder remembers how far it had looked, so that a line which arrives byte by byte is still read only once.

import DBusWire

/// Finds CR LF, and the lines that have none in time.
struct LineFinder: Sendable {
  /// A line, its CR LF included, is no longer than this. As in dbus-daemon (MAX_BUFFER of dbus-auth.c).
  static let lineBytesMax = 16384

  enum Found: Equatable {
    /// A line of `count` bytes, and then CR LF.
    case line(count: Int)
    /// No line end yet.
    case partial
    /// No line end where one had to be.
    case tooLong
  }

  /// How many bytes from the start of the line are known to begin no line end.
  private var scanned = 0

  /// Looks for the end of the line that `bytes` begin with. Precondition: unless `lineWasTaken` was called in between, these are
  /// the bytes of the last call, perhaps with more behind them.
  mutating func find(in bytes: RawSpan) -> Found {
    let end = min(bytes.byteCount, LineFinder.lineBytesMax)
    while scanned + 1 < end {
      if bytes.byte(at: scanned) == UInt8(ascii: "\r") && bytes.byte(at: scanned + 1) == UInt8(ascii: "\n") {
        return .line(count: scanned)
      }
      scanned += 1
    }
    return end == LineFinder.lineBytesMax ? .tooLong : .partial
  }

  /// The line that was found is consumed: the next bytes begin another.
  mutating func lineWasTaken() { scanned = 0 }
}
