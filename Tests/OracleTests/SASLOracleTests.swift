// The server side of authentication, line by line, against both buses as servers: they answer a client's words as the gate does, and
// nobody whom the gate lets in would be turned away by both.

import DBusWire
import GateSession
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The gate's side of one conversation, without a session around it.
private struct Server: ~Copyable {
  private var machine = ServerHandshake(peerUID: getuid(), options: .init())
  private var output = HandshakeOutput()
  private(set) var hasBegun = false
  private(set) var isClosed = false

  /// What is answered to `bytes`, which are the NUL or a whole line: the first words of lines.
  mutating func answers(to bytes: [UInt8]) -> [String] {
    var consumed = 0
    steps: while true {
      let result = machine.receive(bytes.span.bytes.extracting(droppingFirst: consumed), into: &output)
      consumed += result.consumed
      switch result.step {
      case .needsBytes: break steps
      case .needsRoom: break steps
      case .needsBus:
        let digit = UInt8(ascii: "a")
        machine.provide(bus: BusIdentity(guid: InlineArray(repeating: digit), unixFDs: true), into: &output)
      case .needsIdentity: machine.provide(identityAccepted: false, into: &output)
      case .begun:
        hasBegun = true
        break steps
      case .close:
        isClosed = true
        break steps
      }
    }
    let text = output.withBytes { span in span.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    output.removeAll()
    return text.split(separator: "\r\n").map { String($0.prefix { $0 != " " }) }
  }
}

@Suite("authentication, as dbus-daemon and dbus-broker do it", .serialized)
struct SASLOracleTests {
  private static let identity = String(getuid()).utf8.map { String($0, radix: 16) }.joined()

  /// Lines as the specification spells them.
  private static let spelled = [
    "AUTH", "AUTH EXTERNAL", "AUTH EXTERNAL \(identity)", "AUTH EXTERNAL \(identity)", "AUTH EXTERNAL 39393939", "AUTH NONSENSE",
    "DATA",
    "DATA \(identity)", "DATA 39393939", "CANCEL", "ERROR", "ERROR what", "NEGOTIATE_UNIX_FD", "HELO",
  ]
  /// Lines that are almost ones.
  private static let odd = [
    "AUTH EXTERNAL zz", "AUTH EXTERNAL 3", "AUTH external \(identity)", "DATA zz", "DATA 3", "NEGOTIATE_UNIX_FD now", "", " ",
    "begin", "BEGINS",
    " BEGIN", "AUTH\tEXTERNAL", "auth", "auth EXTERNAL \(identity)", "AUTH  EXTERNAL", "AUTH  EXTERNAL \(identity)",
    "AUTH EXTERNAL  \(identity)",
    "AUTH EXTERNAL \(identity) ", "DATA  \(identity)", "DATA \(identity) ", "AUTH EXTERNAL \(identity)\t",
    "AUTH EXTERNALS \(identity)", "OK",
    "AGREE_UNIX_FD", "REJECTED EXTERNAL",
  ]
  /// What dbus-daemon begins at; from there on a line is no line to it.
  private static let begins = ["BEGIN ", "BEGIN now", "BEGIN\t"]

  /// One bus's side of a conversation.
  private struct Side {
    let program: String
    let socket: BusSocket
    var isAlive = true

    init(_ program: String, _ bus: PrivateBus) throws {
      self.program = program
      socket = try BusSocket(bus.path)
      socket.setTimeout(milliseconds: 2000)
      try socket.write([0])
    }

    /// The first word of the answer to `line`; nil: the bus ended it.
    mutating func word(_ line: String) -> String? {
      guard isAlive, (try? socket.write(Array((line + "\r\n").utf8))) != nil, let answer = socket.line() else {
        isAlive = false
        return nil
      }
      return String(answer.prefix { $0 != " " })
    }

    /// Whether the bus, too, takes what comes now for messages.
    func isBegun() -> Bool {
      (try? socket.write(Array("BEGIN\r\n".utf8) + driverCall("Hello", serial: 1))) != nil && (try? socket.answer())?.serial == 1
    }
  }

  @Test(
    "who is let in by the gate is let in by both buses, and each line that is spelled as it has to be is answered as one of them does"
  )
  func lineByLine() throws {
    let buses = try PrivateBus.programs.map { ($0, try PrivateBus($0)) }
    var generator = SeededGenerator(purpose: 60), findings = Findings(), begun = 0
    for _ in 0..<OracleRun.count(3000) {
      var sides = try buses.map { try Side($0.0, $0.1) }, server = Server()
      _ = server.answers(to: [0])
      var said = ""
      for _ in 0..<(1 + generator.below(10)) {
        let line =
          generator.oneIn(6)
          ? "BEGIN"
          : generator.oneIn(40) ? generator.pick(Self.begins) : generator.pick(generator.oneIn(4) ? Self.odd : Self.spelled)
        said += line + "|"
        findings.compare()
        let ours = server.answers(to: Array((line + "\r\n").utf8))
        if server.hasBegun {
          begun += 1
          for side in sides where side.isAlive && !side.isBegun() {
            findings.tell("let in by the gate, not by \(side.program)", Array(said.utf8))
          }
        }
        if line == "BEGIN" || server.isClosed { break }
        if Self.begins.contains(line) {
          // dbus-daemon may have begun, and say nothing more; the gate never has.
          if ours != ["ERROR"] { findings.tell("answered \(ours)", Array(said.utf8)) }
          break
        }
        var theirs: [String?] = []
        for index in sides.indices where sides[index].isAlive {
          let word = sides[index].word(line)
          theirs.append(word)
          // From there on it is in another state, and has no more to say.
          if word != ours.first { sides[index].isAlive = false }
        }
        compare(line, ours, theirs, said, &findings)
        if !sides.contains(where: { $0.isAlive }) { break }
      }
    }
    #expect(begun > OracleRun.count(3000) / 50)
    findings.finish("authentication (\(begun) let in by all)", expected: [.laxAuth])
  }

  /// `theirs` are the words of the buses that had not ended it before.
  private func compare(_ line: String, _ ours: [String], _ theirs: [String?], _ said: String, _ findings: inout Findings) {
    guard ours.count == 1, let word = ours.first else { return findings.tell("answered \(ours)", Array(said.utf8)) }
    if word == "OK" || word == "AGREE_UNIX_FD" {
      // A bus that ends it, since it minds what was said before, is no less strict.
      if theirs.contains(where: { $0 != nil && $0 != word }) { findings.tell("\(word), but \(theirs)", Array(said.utf8)) }
    } else if !Self.spelled.contains(line) && (theirs.contains("OK") || theirs.contains("DATA")) {
      findings.count(.laxAuth)
    } else if Self.spelled.contains(line) && !theirs.contains(word) && theirs.contains(where: { $0 != nil }) {
      findings.tell("\(word), but \(theirs)", Array(said.utf8))
    }
  }

  @Test("what dbus-daemon takes for BEGIN, and for somebody, begins nothing here")
  func known() throws {
    let bus = try PrivateBus("dbus-daemon")
    for line in Self.begins {
      var side = try Side("dbus-daemon", bus), server = Server()
      _ = server.answers(to: [0])
      let login = "AUTH EXTERNAL \(Self.identity)"
      #expect(side.word(login) == "OK")
      #expect(server.answers(to: Array("\(login)\r\n".utf8)) == ["OK"])
      try side.socket.write(Array("\(line)\r\n".utf8) + driverCall("Hello", serial: 1))
      #expect(try side.socket.answer().serial == 1, "\(Disagreement.beginWithArgument.rawValue)")
      #expect(server.answers(to: Array("\(line)\r\n".utf8)) == ["ERROR"])
    }
    var side = try Side("dbus-daemon", bus), server = Server()
    _ = server.answers(to: [0])
    #expect(side.word("AUTH ANONYMOUS 6d65") == "OK", "\(Disagreement.anonymous.rawValue)")
    #expect(server.answers(to: Array("AUTH ANONYMOUS 6d65\r\n".utf8)) == ["REJECTED"])
    #expect(!side.isBegun())
  }
}
