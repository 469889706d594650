// What is a command, and what only looks like one.

import DBusWire
import Testing

@Suite("SASL lines")
struct SASLLineTests {
  static func read(_ text: [UInt8]) -> (SASLCommand, String) {
    let line = SASLLine(text.span.bytes)
    let argument = Int(line.argument.offset)..<Int(line.argument.offset + line.argument.count)
    return (line.command, String(decoding: text[argument], as: UTF8.self))
  }

  @Test(
    "each command is read with its argument",
    arguments: [
      ("AUTH", .auth, ""), ("AUTH EXTERNAL", .auth, "EXTERNAL"), ("AUTH EXTERNAL 31303030", .auth, "EXTERNAL 31303030"),
      ("AUTH  EXTERNAL", .auth, " EXTERNAL"), ("AUTH ", .auth, ""), ("DATA", .data, ""), ("DATA ", .data, ""),
      ("DATA 00ff", .data, "00ff"), ("BEGIN", .begin, ""), ("CANCEL", .cancel, ""), ("ERROR", .error, ""),
      ("ERROR what was that", .error, "what was that"), ("NEGOTIATE_UNIX_FD", .negotiateUnixFD, ""),
      ("AGREE_UNIX_FD", .agreeUnixFD, ""), ("REJECTED EXTERNAL ANONYMOUS", .rejected, "EXTERNAL ANONYMOUS"),
      ("OK 0123456789abcdef0123456789abcdef", .ok, "0123456789abcdef0123456789abcdef"),
    ] as [(String, SASLCommand, String)])
  func command(line: String, command: SASLCommand, argument: String) {
    #expect(Self.read(Array(line.utf8)) == (command, argument))
  }

  @Test(
    "a line that only looks like a command is unknown, without argument",
    arguments: [
      "", " ", " AUTH", "auth", "AUT", "AUTHX", "AUTH\tEXTERNAL", "DATA\t00", "BEGIN ", "BEGIN  ", "BEGIN now", "BEGIN\t",
      "BEGIN\0",
      "BEGIN\r", "begin", "BEGINNING", "\tBEGIN", "AUTH EXTERNAL\0", "AUTH EXTERNAL\r", "DATA \n00", "ERROR caf\u{E9}",
      "OK\u{A0}1",
      "NEGOTIATE_UNIX_FDS", "AGREE_UNIX_F", "\u{7F}", "DATA \u{7F}",
    ])
  func unknown(line: String) {
    #expect(Self.read(Array(line.utf8)) == (.unknown, ""))
  }

  @Test("BEGIN is bare, or it is not BEGIN", arguments: UInt8.min...UInt8.max)
  func bareBegin(byte: UInt8) {
    #expect(Self.read(Array("BEGIN".utf8) + [byte]) == (.unknown, ""))
  }
}
