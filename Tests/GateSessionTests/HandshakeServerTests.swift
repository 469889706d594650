// The gate as SASL server: a table of conversations, each held in one piece, in two pieces cut at every byte, and byte by byte.

import GateSession
import Testing

private let ok = "OK \(testGUID)\r\n"
private let rejected = "REJECTED EXTERNAL\r\n"
private let unknown = "ERROR \"unknown command\"\r\n"
private let authenticateFirst = "ERROR \"authenticate first\"\r\n"
private let noConversation = "ERROR \"not in an authentication conversation\"\r\n"
private let beginIsDue = "ERROR \"BEGIN is due\"\r\n"
private let noDescriptors = "ERROR \"descriptors cannot be passed here\"\r\n"
private let login = "\0AUTH EXTERNAL \(identity("1000"))\r\n"
private let both = ServerHandshake.Options(external: true, anonymous: true)
private let onlyAnonymous = ServerHandshake.Options(external: false, anonymous: true)

/// How the clients in use begin, byte for byte; what follows BEGIN is a message's first bytes.
private let clients: [Conversation] = [
  .init(
    "sd-bus, in one write", "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\u{1}",
    "DATA\r\n\(ok)AGREE_UNIX_FD\r\n", .begun(negotiatedUnixFDs: true), rest: "l\u{1}"),
  .init(
    "libdbus", "\(login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\u{1}", "\(ok)AGREE_UNIX_FD\r\n", .begun(negotiatedUnixFDs: true),
    rest: "l\u{1}"),
  .init(
    "GDBus, which asks for the mechanisms first", "\0AUTH\r\nAUTH EXTERNAL \(identity("1000"))\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
    "\(rejected)\(ok)AGREE_UNIX_FD\r\n", .begun(negotiatedUnixFDs: true)),
  .init(
    "zbus, which pipelines BEGIN and Hello", "\(login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\nl\u{1}\0\u{1}",
    "\(ok)AGREE_UNIX_FD\r\n", .begun(negotiatedUnixFDs: true), rest: "l\u{1}\0\u{1}"),
  .init("a client without descriptors", "\(login)BEGIN\r\n", ok, .begun(negotiatedUnixFDs: false)),
  .init(
    "a message that looks like a line is left alone", "\(login)BEGIN\r\nBEGIN\r\n", ok, .begun(negotiatedUnixFDs: false),
    rest: "BEGIN\r\n"),
]

/// Who is let in, and each time a twin who is not.
private let identities: [Conversation] = [
  .init("the peer's own uid", login, ok, .needsBytes),
  .init("another uid", "\0AUTH EXTERNAL \(identity("1001"))\r\n", rejected, .needsBytes),
  .init("the uid of the peer's namespace", namespaceUIDs: [0], "\0AUTH EXTERNAL 30\r\n", ok, .needsBytes),
  .init("root, who isn't", "\0AUTH EXTERNAL 30\r\n", rejected, .needsBytes),
  .init("root, who is", uid: 0, "\0AUTH EXTERNAL 30\r\n", ok, .needsBytes),
  .init("an empty identity is the peer's", "\0AUTH EXTERNAL\r\nDATA\r\n", "DATA\r\n\(ok)", .needsBytes),
  .init("an empty identity of nobody", uid: nil, "\0AUTH EXTERNAL\r\nDATA\r\n", "REJECTED\r\n\(noConversation)", .needsBytes),
  .init("uid 2^32-1 as the kernel's word is nobody", uid: .max, "\0AUTH EXTERNAL\r\n", "REJECTED\r\n", .needsBytes),
  .init(
    "uid 2^32-1 as the client's word is no uid", namespaceUIDs: [.max], "\0AUTH EXTERNAL \(identity("4294967295"))\r\n",
    rejected, .needsBytes),
  .init("uid 2^32-2", uid: .max - 1, "\0AUTH EXTERNAL \(identity("4294967294"))\r\n", ok, .needsBytes),
  .init("uid 2^32", uid: 0, "\0AUTH EXTERNAL \(identity("4294967296"))\r\n", rejected, .needsBytes),
  .init("a uid of eleven digits", "\0AUTH EXTERNAL \(identity("10000001000"))\r\n", rejected, .needsBytes),
  .init(
    "a uid where a round trip asked for it", "\0AUTH EXTERNAL\r\nDATA \(identity("1000"))\r\n", "DATA\r\n\(ok)", .needsBytes),
  .init(
    "another uid where a round trip asked for it", "\0AUTH EXTERNAL\r\nDATA \(identity("1001"))\r\n", "DATA\r\n\(rejected)",
    .needsBytes),
  .init(
    "a namespace's uid where a round trip asked for it", namespaceUIDs: [7], "\0AUTH EXTERNAL\r\nDATA 37\r\n", "DATA\r\n\(ok)",
    .needsBytes),
  .init("a uid with a leading zero", "\0AUTH EXTERNAL \(identity("01000"))\r\n", rejected, .needsBytes),
  .init("two zeros", uid: 0, "\0AUTH EXTERNAL 3030\r\n", rejected, .needsBytes),
  .init("a uid in hexadecimal, as strtol(3) reads it", uid: 0, "\0AUTH EXTERNAL \(identity("0x0"))\r\n", rejected, .needsBytes),
  .init("a uid with a sign", "\0AUTH EXTERNAL \(identity("+1000"))\r\n", rejected, .needsBytes),
  .init("a uid with a blank", "\0AUTH EXTERNAL \(identity("1000 "))\r\n", rejected, .needsBytes),
  .init("a name", "\0AUTH EXTERNAL \(identity("root"))\r\n", rejected, .needsBytes),
  .init("half a byte, which dbus-daemon takes for 0", uid: 0, "\0AUTH EXTERNAL 3\r\n", rejected, .needsBytes),
  .init("digits that are not hexadecimal", "\0AUTH EXTERNAL 3g\r\n", rejected, .needsBytes),
  .init("a second blank before the identity", "\0AUTH EXTERNAL  \(identity("1000"))\r\n", rejected, .needsBytes),
  .init("a blank behind the identity", "\0AUTH EXTERNAL \(identity("1000")) \r\n", rejected, .needsBytes),
  .init("a blank and no identity asks for DATA", "\0AUTH EXTERNAL \r\n", "DATA\r\n", .needsBytes),
]

private let mechanisms: [Conversation] = [
  .init("a bare AUTH asks for the mechanisms", "\0AUTH\r\n", rejected, .needsBytes),
  .init("both mechanisms are named", options: both, "\0AUTH\r\n", "REJECTED EXTERNAL ANONYMOUS\r\n", .needsBytes),
  .init("only ANONYMOUS is named", options: onlyAnonymous, "\0AUTH\r\n", "REJECTED ANONYMOUS\r\n", .needsBytes),
  .init("EXTERNAL isn't offered to nobody", uid: nil, options: both, "\0AUTH\r\n", "REJECTED ANONYMOUS\r\n", .needsBytes),
  .init("EXTERNAL switched off", options: onlyAnonymous, login, "REJECTED ANONYMOUS\r\n", .needsBytes),
  .init("ANONYMOUS switched on", options: both, "\0AUTH ANONYMOUS\r\nBEGIN\r\n", ok, .begun(negotiatedUnixFDs: false)),
  .init("ANONYMOUS switched off", "\0AUTH ANONYMOUS\r\nBEGIN\r\n", rejected, .close(.beginBeforeAuth)),
  .init("ANONYMOUS with a trace", uid: nil, options: both, "\0AUTH ANONYMOUS 6c6962\r\n", ok, .needsBytes),
  .init(
    "ANONYMOUS with half a trace", options: both, "\0AUTH ANONYMOUS 6c696\r\n", "REJECTED EXTERNAL ANONYMOUS\r\n", .needsBytes),
  .init("ANONYMOUS with a trace switched off", uid: nil, "\0AUTH ANONYMOUS 6c6962\r\n", "REJECTED\r\n", .needsBytes),
  .init("a mechanism that we don't have", "\0AUTH DBUS_COOKIE_SHA1 31\r\n", rejected, .needsBytes),
  .init("a mechanism whose name goes on", "\0AUTH EXTERNALLY 31303030\r\n", rejected, .needsBytes),
  .init("a mechanism whose name ends early", "\0AUTH EXTERNA 31303030\r\n", rejected, .needsBytes),
  .init("a mechanism in lower case", "\0AUTH external 31303030\r\n", rejected, .needsBytes),
]

private let states: [Conversation] = [
  .init("CANCEL before AUTH", "\0CANCEL\r\n", noConversation, .needsBytes),
  .init("ERROR before AUTH", "\0ERROR\r\n", rejected, .needsBytes),
  .init("DATA before AUTH", "\0DATA\r\n", noConversation, .needsBytes),
  .init("NEGOTIATE_UNIX_FD before AUTH", "\0NEGOTIATE_UNIX_FD\r\n", authenticateFirst, .needsBytes),
  .init("BEGIN before AUTH", "\0BEGIN\r\nl", "", .close(.beginBeforeAuth), rest: "l"),
  .init("CANCEL where DATA is due", "\0AUTH EXTERNAL\r\nCANCEL\r\n", "DATA\r\n\(rejected)", .needsBytes),
  .init("ERROR where DATA is due", "\0AUTH EXTERNAL\r\nERROR no\r\n", "DATA\r\n\(rejected)", .needsBytes),
  .init(
    "AUTH where DATA is due", "\0AUTH EXTERNAL\r\nAUTH EXTERNAL\r\nDATA\r\n",
    "DATA\r\nERROR \"an authentication is under way\"\r\n\(ok)", .needsBytes),
  .init(
    "NEGOTIATE_UNIX_FD where DATA is due", "\0AUTH EXTERNAL\r\nNEGOTIATE_UNIX_FD\r\n", "DATA\r\n\(authenticateFirst)", .needsBytes
  ),
  .init("BEGIN where DATA is due", "\0AUTH EXTERNAL\r\nBEGIN\r\n", "DATA\r\n", .close(.beginBeforeAuth)),
  .init(
    "AUTH after OK changes nothing", "\(login)AUTH EXTERNAL 30\r\nBEGIN\r\n", "\(ok)\(beginIsDue)",
    .begun(negotiatedUnixFDs: false)),
  .init("DATA after OK", "\(login)DATA\r\n", "\(ok)\(beginIsDue)", .needsBytes),
  .init("CANCEL after OK", "\(login)CANCEL\r\nBEGIN\r\n", "\(ok)\(rejected)", .close(.beginBeforeAuth)),
  .init("ERROR after OK", "\(login)ERROR\r\nBEGIN\r\n", "\(ok)\(rejected)", .close(.beginBeforeAuth)),
  .init(
    "after CANCEL one may authenticate again", "\(login)CANCEL\r\nAUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n",
    "\(ok)\(rejected)DATA\r\n\(ok)", .begun(negotiatedUnixFDs: false)),
  .init(
    "CANCEL forgets that descriptors were agreed", "\(login)NEGOTIATE_UNIX_FD\r\nCANCEL\r\nAUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n",
    "\(ok)AGREE_UNIX_FD\r\n\(rejected)DATA\r\n\(ok)", .begun(negotiatedUnixFDs: false)),
  .init(
    "descriptors are agreed twice", "\(login)NEGOTIATE_UNIX_FD\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
    "\(ok)AGREE_UNIX_FD\r\nAGREE_UNIX_FD\r\n", .begun(negotiatedUnixFDs: true)),
  .init(
    "descriptors that the bus doesn't pass", busPassesFDs: false, "\(login)NEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
    "\(ok)\(noDescriptors)", .begun(negotiatedUnixFDs: false)),
  .init(
    "NEGOTIATE_UNIX_FD with an argument", "\(login)NEGOTIATE_UNIX_FD 1\r\nBEGIN\r\n", "\(ok)\(noDescriptors)",
    .begun(negotiatedUnixFDs: false)),
  .init(
    "the server's own words", "\0OK \(testGUID)\r\nREJECTED\r\nAGREE_UNIX_FD\r\n", "\(unknown)\(unknown)\(unknown)", .needsBytes),
  .init(
    "the server's own words after OK", "\(login)OK \(testGUID)\r\nAGREE_UNIX_FD\r\n", "\(ok)\(unknown)\(unknown)", .needsBytes),
]

private let spelling: [Conversation] = [
  .init("no bytes", "", "", .needsBytes),
  .init("no leading NUL", "AUTH EXTERNAL\r\n", "", .close(.noLeadingNUL), rest: "AUTH EXTERNAL\r\n"),
  .init("NUL only", "\0", "", .needsBytes),
  .init("a second NUL", "\0\0AUTH\r\n", unknown, .needsBytes),
  .init("BEGIN and a blank (CVE-2018-6560)", "\(login)BEGIN \r\nl", "\(ok)\(unknown)", .needsBytes, rest: "l"),
  .init("BEGIN and a blank, bare twin", "\(login)BEGIN\r\nl", ok, .begun(negotiatedUnixFDs: false), rest: "l"),
  .init("BEGIN and an argument", "\(login)BEGIN now\r\n", "\(ok)\(unknown)", .needsBytes),
  .init("BEGIN and a tab", "\(login)BEGIN\t\r\n", "\(ok)\(unknown)", .needsBytes),
  .init("BEGIN and NUL", "\(login)BEGIN\0\r\n", "\(ok)\(unknown)", .needsBytes),
  .init("BEGIN behind a blank", "\(login) BEGIN\r\n", "\(ok)\(unknown)", .needsBytes),
  .init("BEGIN in lower case", "\(login)begin\r\n", "\(ok)\(unknown)", .needsBytes),
  .init("BEGIN with an argument before OK doesn't count as BEGIN", "\0BEGIN now\r\n", unknown, .needsBytes),
  .init("BEGIN and a bare LF", "\(login)BEGIN\n", ok, .needsBytes, rest: "BEGIN\n"),
  .init("BEGIN and a bare LF, and a line end", "\(login)BEGIN\nBEGIN\r\n", "\(ok)\(unknown)", .needsBytes),
  .init("BEGIN and a bare CR", "\(login)BEGIN\r", ok, .needsBytes, rest: "BEGIN\r"),
  .init("BEGIN and two CR", "\(login)BEGIN\r\r\n", "\(ok)\(unknown)", .needsBytes),
  .init("AUTH and a tab", "\0AUTH\tEXTERNAL\r\n", unknown, .needsBytes),
  .init("AUTH and two blanks", "\0AUTH  EXTERNAL\r\n", rejected, .needsBytes),
  .init("an empty line", "\0\r\n", unknown, .needsBytes),
  .init("letters beyond ASCII", "\0AUTH EXTERNÄL\r\n", unknown, .needsBytes),
  .init(
    "five rejects", "\0" + String(repeating: "AUTH\r\n", count: 5) + "AUTH EXTERNAL\r\nDATA\r\n",
    String(repeating: rejected, count: 5) + "DATA\r\n\(ok)", .needsBytes),
  .init(
    "six rejects", "\0" + String(repeating: "AUTH\r\n", count: 6) + "AUTH\r\n", String(repeating: rejected, count: 6),
    .close(.tooManyRejects), rest: "AUTH\r\n"),
  .init(
    "six rejects of identities", "\0" + String(repeating: "AUTH EXTERNAL 31\r\n", count: 6),
    String(repeating: rejected, count: 6), .close(.tooManyRejects)),
]

let allConversations = clients + identities + mechanisms + states + spelling

@Suite struct HandshakeServerTests {
  @Test("in one piece", arguments: allConversations)
  func inOnePiece(conversation: Conversation) {
    let result = conversation.heldInOnePiece()
    #expect(result.output == conversation.output)
    #expect(result.step == conversation.step)
    #expect(result.consumed == conversation.input.utf8.count - conversation.rest.utf8.count)
  }

  @Test("it makes no difference whether the bus is known beforehand", arguments: allConversations)
  func busKnownBefore(conversation: Conversation) {
    #expect(conversation.heldInOnePiece(bus: .before) == conversation.heldInOnePiece())
  }

  @Test("cut at every byte", arguments: allConversations)
  func cutAtEveryByte(conversation: Conversation) {
    let bytes = Array(conversation.input.utf8)
    let whole = conversation.heldInOnePiece()
    for cut in 0...bytes.count {
      #expect(conversation.held(in: bytes, cuts: [cut, bytes.count]) == whole, "cut at \(cut)")
    }
  }

  @Test("byte by byte", arguments: allConversations)
  func byteByByte(conversation: Conversation) {
    let bytes = Array(conversation.input.utf8)
    #expect(conversation.held(in: bytes, cuts: 0...bytes.count) == conversation.heldInOnePiece())
  }

  @Test("only a uid that isn't the kernel's is asked about")
  func asksAboutForeignUIDs() {
    let conversation = Conversation("", "\0AUTH EXTERNAL 37\r\nAUTH EXTERNAL \(identity("1000"))\r\n", "", .needsBytes)
    #expect(conversation.heldInOnePiece().claimedUIDs == [7])
  }

  @Test("while the bus isn't known nothing behind the AUTH is consumed, however often it is presented")
  func waitsForTheBus() {
    var machine = ServerHandshake(peerUID: 1000, options: .init())
    var output = HandshakeOutput()
    let bytes = Array("\(login)BEGIN\r\n".utf8)
    let first = machine.receive(bytes.span.bytes, into: &output)
    #expect(first == (login.utf8.count, .needsBus))
    for _ in 0..<3 {
      let again = machine.receive(bytes.span.bytes.extracting(droppingFirst: first.consumed), into: &output)
      #expect(again == (0, .needsBus))
    }
    #expect(output.count == 0)
    machine.provide(bus: testBus(unixFDs: true), into: &output)
    #expect(output.drained() == ok)
    let last = machine.receive(bytes.span.bytes.extracting(droppingFirst: first.consumed), into: &output)
    #expect(last == ("BEGIN\r\n".utf8.count, .begun(negotiatedUnixFDs: false)))
  }

  @Test("while an identity is in question nothing behind it is consumed, and a bus that becomes known says no OK")
  func waitsForTheIdentity() {
    var machine = ServerHandshake(peerUID: 1000, options: .init())
    var output = HandshakeOutput()
    let bytes = Array("\0AUTH EXTERNAL 30\r\nBEGIN\r\n".utf8)
    let first = machine.receive(bytes.span.bytes, into: &output)
    #expect(first.step == .needsIdentity(0))
    machine.provide(bus: testBus(unixFDs: true), into: &output)
    let again = machine.receive(bytes.span.bytes.extracting(droppingFirst: first.consumed), into: &output)
    #expect(again == (0, .needsIdentity(0)))
    #expect(output.count == 0)
    machine.provide(identityAccepted: true, into: &output)
    #expect(output.drained() == ok)
  }

  @Test("an end is said again, and consumes nothing")
  func endsAreForEver() {
    for input in ["\(login)BEGIN\r\n", "\0BEGIN\r\n"] {
      var machine = ServerHandshake(peerUID: 1000, options: .init())
      var output = HandshakeOutput()
      machine.provide(bus: testBus(unixFDs: true), into: &output)
      let end = machine.receive(Array(input.utf8).span.bytes, into: &output).step
      _ = output.drained()
      let more = Array("\(login)AUTH\r\n".utf8)
      #expect(machine.receive(more.span.bytes, into: &output) == (0, end))
      #expect(output.count == 0)
    }
  }
}
