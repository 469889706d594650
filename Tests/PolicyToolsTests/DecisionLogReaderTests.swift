import GatePolicy
import Testing

@testable import PolicyTools

@Suite("a decision log is read in every form that it has")
struct DecisionLogReaderTests {
  private static let text =
    "audit 2026-01-31T09:30:00.250Z gate=session connection=7 pid=1 uid=0 direction=outgoing type=method_call sender=:1.7 "
    + "destination=com.example.Service path=/com/example interface=com.example.Open member=Count signature=a{sv} serial=5 "
    + "bytes=100 reason=no-rule nearest=a.json:3 miss=method"
  private static let json =
    #"{"time":"2026-01-31T09:30:00.250Z","event":"decision","verdict":"audit","gate":"session","connection":7,"#
    + #""direction":"outgoing","type":"method_call","sender":":1.7","destination":"com.example.Service","#
    + #""path":"/com/example","interface":"com.example.Open","member":"Count","serial":5,"reason":"no-rule"}"#
  private static let journal =
    #"{"__CURSOR":"s=1","_PID":"1","MESSAGE":"audit outgoing …","PRIORITY":"5","BUSGATE_EVENT":"decision","BUSGATE_VERDICT":"#
    + #""audit","BUSGATE_GATE":"session","BUSGATE_DIRECTION":"outgoing","BUSGATE_TYPE":"method_call","BUSGATE_DESTINATION":"#
    + #""com.example.Service","BUSGATE_PATH":"/com/example","BUSGATE_INTERFACE":"com.example.Open","BUSGATE_MEMBER":"Count","#
    + #""BUSGATE_REASON":"no-rule"}"#
  private static let journalOfText = #"{"__CURSOR":"s=1","SYSLOG_IDENTIFIER":"busgate","MESSAGE":"\#(text)"}"#
  private static let export =
    "__CURSOR=s=1\nMESSAGE=audit outgoing\nBUSGATE_EVENT=decision\nBUSGATE_VERDICT=audit\nBUSGATE_GATE\n"
    + "\u{7}\0\0\0\0\0\0\0session\nBUSGATE_DIRECTION=outgoing\nBUSGATE_TYPE=method_call\nBUSGATE_DESTINATION=com.example.Service\n"
    + "BUSGATE_PATH=/com/example\nBUSGATE_INTERFACE=com.example.Open\nBUSGATE_MEMBER=Count\nBUSGATE_REASON=no-rule\n"

  private static func read(_ text: String, by chunk: Int = .max, distinctMax: Int = 10) -> DecisionLogReader {
    var reader = DecisionLogReader(tally: DecisionTally(distinctMax: distinctMax))
    reader.begin(file: "a.log")
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      reader.feed(rest.prefix(chunk))
      rest = rest.dropFirst(chunk)
    }
    reader.end()
    return reader
  }

  @Test(
    "with the same message for each, however the bytes come", arguments: [text, json, journal, journalOfText, export],
    [1, 7, .max])
  func forms(form: String, chunk: Int) {
    let reader = Self.read(form + "\n" + form + "\n", by: chunk)
    #expect(reader.unreadable == [])
    let messages = reader.tally.messages
    #expect(messages.map(\.count) == [2])
    #expect(
      messages[0].example.description == "outgoing method_call com.example.Open.Count on /com/example to com.example.Service")
    #expect(messages[0].verdict == .audit && messages[0].reason == "no-rule" && messages[0].gate == "session")
    #expect(messages[0].place == "a.log:1")
  }

  @Test("the quick way reads what the whole one reads", arguments: [text, json])
  func quick(line: String) throws {
    let variants = [
      line, line.replacing("member", with: "mem"), line.replacing("outgoing", with: "incoming"), line + " x=y", line + ",", "",
    ]
    for variant in variants {
      var scanner = FastLogScanner()
      let bytes = Array(variant.utf8)
      guard scanner.read(bytes.span, 0..<bytes.count) else { continue }
      var (quick, whole) = (DecisionKey(), DecisionKey())
      scanner.make(&quick, of: bytes.span)
      let decision = try #require(try LogLine.decision(bytes[...]))
      let isWhole = whole.set(decision)
      #expect(isWhole)
      #expect(quick.bytes == whole.bytes, "\(variant)")
    }
    var scanner = FastLogScanner()
    let bytes = Array(line.utf8)
    let isRead = scanner.read(bytes.span, 0..<bytes.count)
    #expect(isRead)
  }

  @Test("name= and about= are read in every form", arguments: [text, json, journal, journalOfText, export])
  func names(form: String) {
    let spelt = [
      ("destination=com.example.Service", "destination=:1.9 name=com.example.Service about=a.b"),
      (#""destination":"com.example.Service""#, #""destination":":1.9","name":"com.example.Service","about":"a.b""#),
      (
        #""BUSGATE_DESTINATION":"com.example.Service""#,
        #""BUSGATE_DESTINATION":":1.9","BUSGATE_NAME":"com.example.Service","BUSGATE_ABOUT":"a.b""#
      ),
      (
        "BUSGATE_DESTINATION=com.example.Service",
        "BUSGATE_DESTINATION=:1.9\nBUSGATE_NAME=com.example.Service\nBUSGATE_ABOUT=a.b"
      ),
    ]
    let line = spelt.reduce(form) { $0.replacing($1.0, with: $1.1) }
    let messages = Self.read(line + "\n").tally.messages
    #expect(messages.map { String(decoding: $0.name, as: UTF8.self) } == ["com.example.Service"])
    #expect(messages.map { String(decoding: $0.about, as: UTF8.self) } == ["a.b"])
  }

  @Test(
    "a NUL, or another control byte, in a value is told with its place, whatever the value",
    arguments: [text, json, journal, export])
  func controls(form: String) {
    for word in ["session", "outgoing", "com.example.Service", "/com/example", "com.example.Open", "Count", "no-rule"] {
      for byte in ["\0", "\u{1}"] {
        let reader = Self.read(form.replacing(word, with: "\(word.prefix(3))\(byte)\(word.dropFirst(3))") + "\n")
        #expect(reader.tally.messages.allSatisfy { !$0.path.contains(0) && !$0.member.contains(0) && !$0.gate.contains("\0") })
        if byte == "\0" && !reader.tally.messages.isEmpty { Issue.record("\(word) with a NUL was read") }
        _ = Learner.learn(from: reader.tally)
      }
    }
  }

  @Test("a field that is not printable comes as numbers in the journal's JSON")
  func numbers() {
    let line = Self.journal.replacing(#""BUSGATE_MEMBER":"Count""#, with: #""BUSGATE_MEMBER":[67,111,117,110,116]"#)
    #expect(Self.read(line).tally.messages.map { String(decoding: $0.member, as: UTF8.self) } == ["Count"])
  }

  @Test("counts of lines that stand for several messages add up")
  func counts() {
    #expect(Self.read(Self.text + "\n" + Self.text + " count=29\n").tally.messages.map(\.count) == [30])
  }

  @Test("a line that is none is named, with its place, and the others are read")
  func unreadable() {
    let reader = Self.read("\(Self.text)\nnonsense\n\n\(Self.json)\nFOO=bar\n\ndeny T gate\n{\"event\":\n")
    #expect(
      reader.unreadable.map { "\($0.file):\($0.line):\($0.column)" } == ["a.log:2:1", "a.log:5:1", "a.log:7:8", "a.log:8:10"])
    #expect(reader.unreadableCount == 4 && reader.lineCount == 8)
    #expect(reader.tally.messages.map(\.count) == [2])
  }

  @Test(
    "decisions are kept each by itself where somebody wants them, and not tallied",
    arguments: [text, json, journal, journalOfText, export])
  func kept(form: String) {
    var reader = DecisionLogReader(keepsDecisions: true)
    reader.begin(file: "a.log")
    reader.feed(Array("\n\(form)\n\n\(form)\n".utf8)[...])
    reader.end()
    #expect(reader.decisions.map(\.decision.member) == ["Count", "Count"] && reader.tally.messages == [])
    #expect(reader.decisions.first?.line == 2 && reader.unreadableCount == 0)
  }

  @Test("other events, sentences and other programs' entries are no decisions, and no errors")
  func others() {
    let reader = Self.read(
      """
      busgate: warning: something
      opened 2026-01-31T09:30:00.250Z gate=session connection=7
      {"time":"t","event":"suppressed","decisions":3}
      {"__CURSOR":"s=2","MESSAGE":"Started something.","SYSLOG_IDENTIFIER":"systemd"}
      __CURSOR=s=3
      MESSAGE=Stopped something.

      """)
    #expect(reader.unreadable == [] && reader.tally.messages == [])
  }

  @Test("a line that does not end is passed over once it is too long, without keeping it")
  func endless() {
    var reader = DecisionLogReader()
    reader.begin(file: "a.log")
    for _ in 0..<100 { reader.feed(Array(repeating: UInt8(ascii: "x"), count: 10_000)[...]) }
    reader.feed(Array("\n\(Self.text)\n".utf8)[...])
    reader.end()
    #expect(reader.unreadable.map(\.line) == [1])
    #expect(reader.tally.messages.map(\.place) == ["a.log:2"])
  }

  @Test("beyond the most different messages the others are counted, not kept")
  func distinct() {
    let lines = (0..<12).map { Self.text.replacing("Count", with: "Count\($0)") }.joined(separator: "\n")
    let reader = Self.read(lines + "\n" + lines + "\n")
    #expect(reader.tally.messages.count == 10 && reader.tally.droppedCount == 4 && reader.tally.messageCount == 24)
  }
}
