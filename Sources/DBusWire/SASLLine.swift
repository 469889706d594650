// One line of the authentication protocol, without its CR LF. Says which command the line is. The caller knows what that means in which
// state, and whether the argument makes sense.
//
// Servers differ on lines that are almost commands (`BEGIN` with a blank behind it, tabs, lower case). A gate that passes one on lets a
// client speak to the bus before authentication is over (CVE-2018-6560). So a command is exact, or unknown.

/// A line of the authentication protocol: a command, and what follows it after exactly one space.
///
/// A line is unknown if it has a byte that isn't printable ASCII, if its command is followed by anything but a space or the end, or if it
/// is `BEGIN` with anything behind it.
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
    while wordEnd < line.byteCount && line.byte(at: wordEnd) != UInt8(ascii: " ") { wordEnd += 1 }
    let command = SASLLine.isPrintable(line) ? SASLLine.command(line.extracting(first: wordEnd)) : .unknown
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
    for offset in 0..<line.byteCount where line.byte(at: offset) < 0x20 || line.byte(at: offset) > 0x7E { return false }
    return true
  }

  /// The command that `word` is.
  private static func command(_ word: RawSpan) -> SASLCommand {
    if word.isEqual(to: "AUTH") { return .auth }
    if word.isEqual(to: "DATA") { return .data }
    if word.isEqual(to: "BEGIN") { return .begin }
    if word.isEqual(to: "NEGOTIATE_UNIX_FD") { return .negotiateUnixFD }
    if word.isEqual(to: "CANCEL") { return .cancel }
    if word.isEqual(to: "ERROR") { return .error }
    if word.isEqual(to: "OK") { return .ok }
    if word.isEqual(to: "AGREE_UNIX_FD") { return .agreeUnixFD }
    if word.isEqual(to: "REJECTED") { return .rejected }
    return .unknown
  }
}
