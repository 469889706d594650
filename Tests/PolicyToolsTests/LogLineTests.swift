import GatePolicy
import Testing

@testable import PolicyTools

@Suite("Lines of the decision log")
struct LogLineTests {
  private func read(_ line: String) throws(LogLineError) -> LoggedDecision? { try LogLine.decision(Array(line.utf8)[...]) }

  private static let expected: LoggedDecision = {
    var decision = LoggedDecision(verdict: .deny, direction: .outgoing, kind: .methodCall)
    decision.reason = "no-rule"
    decision.gate = "session"
    decision.sender = ":1.7"
    decision.destination = "com.example.Service"
    decision.path = "/com/example"
    decision.interface = "com.example.Open"
    decision.member = "Count"
    decision.signature = "a{sv}"
    decision.fds = 2
    return decision
  }()

  @Test("a decision is read from text and from JSON alike")
  func bothForms() throws {
    let text =
      "deny 2026-01-31T09:30:00.250Z gate=session connection=7 pid=1 uid=0 direction=outgoing type=method_call sender=:1.7 "
      + "destination=com.example.Service path=/com/example interface=com.example.Open member=Count signature=a{sv} serial=5 "
      + "bytes=100 fds=2 reason=no-rule nearest=a.json:3 miss=method"
    let json =
      #"{"time":"2026-01-31T09:30:00.250Z","event":"decision","verdict":"deny","gate":"session","connection":7,"direction":"#
      + #""outgoing","type":"method_call","sender":":1.7","destination":"com.example.Service","path":"/com/example","#
      + #""interface":"com.example.Open","member":"Count","signature":"a{sv}","fds":2,"reason":"no-rule"}"#
    #expect(try read(text) == Self.expected)
    #expect(try read(json) == Self.expected)
    #expect(try read(text + "\r") == Self.expected)
  }

  @Test("a value in quotes is read without them, its escapes decoded")
  func quotes() throws {
    let line = #"allow T gate="a \"b\" \\ \u{202e}c" direction=incoming type=signal member=M"#
    #expect(try read(line)?.gate == "a \"b\" \\ \u{202E}c")
  }

  @Test(
    "other events, sentences and blank lines tell no decision",
    arguments: [
      "", "   ", "opened 2026-01-31T09:30:00.250Z gate=session connection=7", "busgate: error: cannot be read",
      "a.json:1:2: error: unknown key", #"{"time":"t","event":"suppressed","decisions":3}"#,
      "drop T direction=outgoing type=9 member=M",
    ])
  func others(line: String) throws {
    #expect(try read(line) == nil)
  }

  @Test(
    "what is no line of the log is refused, and where",
    arguments: [
      ("hello world", 1), ("deny T gate", 8), ("deny T gate=\"x", 15), ("deny T gate=\"\\x\"", 15), ("deny T direction=up", 20),
      ("deny T type=signal", 19), ("deny T direction=outgoing", 26), ("{", 2), (#"{"event":"decision"}"#, 20),
      (#"{"event":"decision","verdict":"maybe"}"#, 21), ("deny T direction=outgoing type=signal fds=x", 44),
    ])
  func refused(line: String, column: Int) {
    #expect { _ = try read(line) } throws: { ($0 as? LogLineError)?.column == column }
  }

  @Test(
    "what journalctl shows people is told from lines of the log",
    arguments: [
      "deny session: pid 12 (uid 0) called a.B.C on /: no rule allows it",
      "audit radio/session (39 more): 39 clients sent signal a.B.C on /: x",
      "Jan 31 09:30:00 host busgate[12]: deny session: pid 12 called a.B.C on /: no rule allows it",
      "2026-01-31T09:30:00+0000 host busgate[12]: opened session: pid 12 connected", "[   12.345678] host busgate[12]: x",
      "Jan 31 09:30:00 host busgate[12]: deny 2026-01-31T09:30:00.250Z gate=session",
    ])
  func shown(line: String) {
    #expect(throws: LogLineError.shownMessage) { _ = try read(line) }
  }

  @Test(
    "a line of the log, or of anything else, is not taken for it",
    arguments: [
      "deny T direction=outgoing type=signal member=\"busgate[12]: x\"", "opened session: pid 12 connected",
      "busgate: error: host busgate[12]: x",
      "hello busgate[x]: world", "hello busgate[]: world", "hello [12]: world",
    ])
  func notShown(line: String) {
    do throws(LogLineError) { _ = try read(line) } catch { #expect(error != .shownMessage) }
  }

  @Test("the longest line is read, and one byte more is not")
  func longest() throws {
    let head = "deny T direction=outgoing type=signal member="
    let line = head + String(repeating: "m", count: LogLine.bytesMax - head.utf8.count)
    #expect(try read(line) != nil)
    #expect(throws: LogLineError.self) { _ = try read(line + "m") }
  }
}
