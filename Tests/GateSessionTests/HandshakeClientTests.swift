// The gate as SASL client: what it says, and a table of what buses may answer, in any pieces.

import GateSession
import Testing

struct BusAnswer: Sendable, CustomTestStringConvertible {
  enum Speaker { case uid, uidWithoutFDs, transport, anonymous }

  var name: String
  var speaker = Speaker.uid
  var input: String
  var step: ClientHandshake.Step
  var rest: String

  var testDescription: String { name }

  init(_ name: String, to speaker: Speaker = .uid, _ input: String, _ step: ClientHandshake.Step, rest: String = "") {
    self.name = name
    self.speaker = speaker
    self.input = input
    self.step = step
    self.rest = rest
  }

  var client: ClientHandshake {
    switch speaker {
    case .uid: ClientHandshake(uid: 1000, anonymous: false, negotiateUnixFDs: true)
    case .uidWithoutFDs: ClientHandshake(uid: 1000, anonymous: false, negotiateUnixFDs: false)
    case .transport: ClientHandshake(uid: nil, anonymous: false, negotiateUnixFDs: true)
    case .anonymous: ClientHandshake(uid: 1000, anonymous: true, negotiateUnixFDs: false)
    }
  }

  func read(cuts: some Sequence<Int>) -> (consumed: Int, step: ClientHandshake.Step) {
    let bytes = Array(input.utf8)
    var machine = client
    var consumed = 0
    var step = ClientHandshake.Step.needsBytes
    for end in cuts {
      let (more, next) = machine.receive(bytes.span.bytes.extracting(consumed..<end))
      consumed += more
      step = next
    }
    return (consumed, step)
  }
}

private let ok = "OK \(testGUID)\r\n"
private let with = ClientHandshake.Step.done(testBus(unixFDs: true))
private let without = ClientHandshake.Step.done(testBus(unixFDs: false))

private let answers: [BusAnswer] = [
  .init("nothing yet", "", .needsBytes),
  .init("OK, and descriptors", "\(ok)AGREE_UNIX_FD\r\n", with),
  .init("OK, and descriptors not answered yet", ok, .needsBytes),
  .init("OK, and no descriptors (dbus-daemon)", "\(ok)ERROR \"not possible\"\r\n", without),
  .init("OK, and no descriptors (dbus-broker)", "\(ok)ERROR\r\n", without),
  .init("OK, where descriptors weren't asked for", to: .uidWithoutFDs, ok, without),
  .init("messages behind the last line", "\(ok)AGREE_UNIX_FD\r\nl\u{2}\r\n", with, rest: "l\u{2}\r\n"),
  .init(
    "messages behind OK, where that is the last line", to: .uidWithoutFDs, "\(ok)AGREE_UNIX_FD\r\n", without,
    rest: "AGREE_UNIX_FD\r\n"),
  .init("DATA, where the transport says who we are", to: .transport, "DATA\r\n\(ok)AGREE_UNIX_FD\r\n", with),
  .init("DATA, where we said who we are", "DATA\r\n", .close(.busLine("DATA"))),
  .init("DATA twice", to: .transport, "DATA\r\nDATA\r\n", .close(.busLine("DATA"))),
  .init("DATA with a challenge", to: .transport, "DATA 00\r\n", .close(.busLine("DATA 00"))),
  .init("OK, where DATA is due", to: .transport, ok, .close(.busLine("OK \(testGUID)"))),
  .init("REJECTED, where DATA is due", to: .transport, "REJECTED\r\n", .close(.busRejected(offered: ""))),
  .init("OK to nobody", to: .anonymous, ok, without),
  .init(
    "REJECTED to nobody", to: .anonymous, "REJECTED EXTERNAL\r\nERROR\r\n", .close(.busRejected(offered: "EXTERNAL")),
    rest: "ERROR\r\n"),
  .init("REJECTED", "REJECTED EXTERNAL DBUS_COOKIE_SHA1\r\n", .close(.busRejected(offered: "EXTERNAL DBUS_COOKIE_SHA1"))),
  .init("REJECTED after OK", "\(ok)REJECTED EXTERNAL\r\n", .close(.busRejected(offered: "EXTERNAL"))),
  .init("ERROR, where OK is due", "ERROR \"no\"\r\n", .close(.busError("\"no\""))),
  .init("AGREE_UNIX_FD, where OK is due", "AGREE_UNIX_FD\r\n", .close(.busLine("AGREE_UNIX_FD"))),
  .init("AGREE_UNIX_FD with an argument", "\(ok)AGREE_UNIX_FD 1\r\n", .close(.busLine("AGREE_UNIX_FD 1"))),
  .init("OK twice", "\(ok)\(ok)", .close(.busLine("OK \(testGUID)"))),
  .init("OK and no GUID", "OK\r\n", .close(.busGUID(""))),
  .init("a GUID of 31 digits", "OK \(testGUID.dropLast())\r\n", .close(.busGUID(String(testGUID.dropLast())))),
  .init("a GUID of 33 digits", "OK \(testGUID)0\r\n", .close(.busGUID(testGUID + "0"))),
  .init("a GUID with another letter", "OK \(testGUID.dropLast())g\r\n", .close(.busGUID(testGUID.dropLast() + "g"))),
  .init("a GUID behind two blanks", "OK  \(testGUID)\r\n", .close(.busGUID(" " + testGUID))),
  .init("OK in lower case", "ok \(testGUID)\r\n", .close(.busLine("ok \(testGUID)"))),
  .init("another protocol", "SSH-2.0-OpenSSH_9.2\r\n", .close(.busLine("SSH-2.0-OpenSSH_9.2"))),
  .init("a line of nothing", "\r\n", .close(.busLine(""))),
  .init("what no terminal should see", "\u{1B}[31m\r\n", .close(.busLine("?[31m"))),
  .init("BEGIN from a bus", "BEGIN\r\n", .close(.busLine("BEGIN"))),
]

@Suite struct HandshakeClientTests {
  @Test("everything is said in one write")
  func says() {
    func said(_ machine: ClientHandshake) -> String {
      var machine = machine
      var output = HandshakeOutput()
      machine.start(into: &output)
      return output.drained()
    }
    #expect(
      said(ClientHandshake(uid: 1000, anonymous: false, negotiateUnixFDs: true))
        == "\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    #expect(said(ClientHandshake(uid: 0, anonymous: false, negotiateUnixFDs: false)) == "\0AUTH EXTERNAL 30\r\nBEGIN\r\n")
    #expect(
      said(ClientHandshake(uid: 4_294_967_294, anonymous: false, negotiateUnixFDs: false))
        == "\0AUTH EXTERNAL 34323934393637323934\r\nBEGIN\r\n")
    #expect(
      said(ClientHandshake(uid: nil, anonymous: false, negotiateUnixFDs: true))
        == "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    #expect(
      said(ClientHandshake(uid: 1000, anonymous: true, negotiateUnixFDs: false))
        == "\0AUTH ANONYMOUS 62757367617465\r\nBEGIN\r\n")
  }

  @Test("in one piece", arguments: answers)
  func inOnePiece(answer: BusAnswer) {
    let count = answer.input.utf8.count
    #expect(answer.read(cuts: [count]) == (count - answer.rest.utf8.count, answer.step))
  }

  @Test("cut at every byte, and byte by byte", arguments: answers)
  func inPieces(answer: BusAnswer) {
    let count = answer.input.utf8.count
    let whole = answer.read(cuts: [count])
    for cut in 0...count { #expect(answer.read(cuts: [cut, count]) == whole, "cut at \(cut)") }
    #expect(answer.read(cuts: 0...count) == whole)
  }

  @Test("a line of 16384 bytes is read, one of 16385 closes")
  func lineBytesMax() {
    let long = String(repeating: "A", count: 16382)
    #expect(
      BusAnswer("", long + "\r\n", .needsBytes).read(cuts: [16384]).step
        == .close(.busLine(String(repeating: "A", count: 80) + "...")))
    #expect(BusAnswer("", long + "A\r\n", .needsBytes).read(cuts: [16385]).step == .close(.busLineTooLong))
    #expect(BusAnswer("", long + "A\r\n", .needsBytes).read(cuts: 0...16385).step == .close(.busLineTooLong))
  }

  @Test("what the client says is what our server takes, for every mechanism", arguments: [true, false])
  func meetsServer(unixFDs: Bool) {
    let speakers: [(BusAnswer.Speaker, UInt32?)] = [(.uid, 1000), (.uidWithoutFDs, 1000), (.transport, 7), (.anonymous, nil)]
    for (speaker, uid) in speakers {
      var client = BusAnswer("", to: speaker, "", .needsBytes).client
      var said = HandshakeOutput()
      client.start(into: &said)
      let server = Conversation(
        "", uid: uid, options: .init(external: true, anonymous: true), busPassesFDs: unixFDs, said.drained(), "", .needsBytes
      ).heldInOnePiece()
      let agreed = unixFDs && (speaker == .uid || speaker == .transport)
      #expect(server.step == .begun(negotiatedUnixFDs: agreed))
      let replies = Array(server.output.utf8)
      #expect(client.receive(replies.span.bytes) == (replies.count, .done(testBus(unixFDs: agreed))))
    }
  }

  @Test("every failure is one sentence of printable ASCII")
  func sentences() {
    let failures: [HandshakeFailure] = [
      .noLeadingNUL, .lineTooLong, .beginBeforeAuth, .tooManyRejects, .busRejected(offered: ""),
      .busRejected(offered: "EXTERNAL"), .busError("no"), .busGUID("x"), .busLineTooLong, .busLine("HTTP/1.1 400"),
      .busTransportWithoutCredentials,
    ]
    for failure in failures {
      let text = failure.description
      #expect(text.utf8.allSatisfy { (0x20...0x7E).contains($0) })
      #expect(text.hasPrefix("the client") || text.hasPrefix("the bus"))
    }
    #expect(Set(failures.map(\.description)).count == failures.count)
  }
}
