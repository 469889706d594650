// One line of the authentication protocol, without its CR LF. Says what the line is; what it means in which state, and whether
// its argument makes sense, is for the caller to say.
//
// Servers differ on lines that are almost commands (`BEGIN` with a blank behind it, tabs, lower case), and who passes such a line
// on lets a client speak to the bus before authentication is over (CVE-2018-6560). So a command is exact, or unknown.

/// A line of the authentication protocol: a command, and what follows it after exactly one space.
///
/// Lines are unknown that have any byte which isn't printable ASCII, whose command is followed by anything but a space or the
/// end, or that are `BEGIN` with anything behind it.
///
/// Spec: "auth-protocol".
public struct SASLLine: Sendable, BitwiseCopyable, Equatable {
  /// What the line begins with.
  public let command: SASLCommand
  /// What follows the first space, up to the end of the line; absent if that is nothing, or if the command is unknown.
  public let argument: ByteRange

  /// Reads a line. `line` is what stands before CR LF.
  public init(_ line: RawSpan) {
    var wordEnd = 0
    while wordEnd < line.byteCount && line.byte(wordEnd) != UInt8(ascii: " ") { wordEnd += 1 }
    let command = SASLLine.isPrintable(line) ? SASLLine.command(line, wordEnd) : .unknown
    let isBare = wordEnd == line.byteCount
    if command == .unknown || command == .begin && !isBare {
      self.command = .unknown
      argument = ByteRange()
    } else {
      self.command = command
      argument = isBare ? ByteRange() : ByteRange(offset: UInt32(wordEnd + 1), count: UInt32(line.byteCount - wordEnd - 1))
    }
  }

  /// Whether all bytes are U+0020…U+007E: no NUL, CR, LF or tab among them.
  private static func isPrintable(_ line: RawSpan) -> Bool {
    guard line.byteCount <= Int(UInt32.max) else { return false }
    for offset in 0..<line.byteCount where line.byte(offset) < 0x20 || line.byte(offset) > 0x7E { return false }
    return true
  }

  /// The command that the first `count` bytes spell.
  private static func command(_ line: RawSpan, _ count: Int) -> SASLCommand {
    if line.holds("AUTH", at: 0, count: count) { return .auth }
    if line.holds("DATA", at: 0, count: count) { return .data }
    if line.holds("BEGIN", at: 0, count: count) { return .begin }
    if line.holds("NEGOTIATE_UNIX_FD", at: 0, count: count) { return .negotiateUnixFD }
    if line.holds("CANCEL", at: 0, count: count) { return .cancel }
    if line.holds("ERROR", at: 0, count: count) { return .error }
    if line.holds("OK", at: 0, count: count) { return .ok }
    if line.holds("AGREE_UNIX_FD", at: 0, count: count) { return .agreeUnixFD }
    if line.holds("REJECTED", at: 0, count: count) { return .rejected }
    return .unknown
  }
}
