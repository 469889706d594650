import GatePolicy
import GateSession
import Testing

@testable import PolicyTools

@Suite("Explanations")
struct ExplanationTests {
  private static let path = "/org/example/door"

  private func call(_ member: String = "Open", _ change: (inout Question) -> Void = { _ in }) -> Question {
    var question = Question(direction: .outgoing, kind: .methodCall)
    (question.interface, question.path, question.member) = ("org.example.Door", Self.path, member)
    question.destination = "org.example.House"
    change(&question)
    return question
  }

  private func driver(_ interface: String, _ member: String, argument: String? = nil) -> Question {
    call(member) {
      ($0.interface, $0.path, $0.destination) = (interface, "/org/freedesktop/DBus", "org.freedesktop.DBus")
      $0.argument = argument
    }
  }

  private func explain(_ question: Question, _ rules: [GatewayRule] = []) throws -> Explanation {
    try Explanation(question, by: Policy(rules: rules, busName: "SESSION"))
  }

  private let door = rule(interface: "org.example.Door", path: path, methods: ["Open", "Close"], line: 7)

  @Test("an allowed call names its rule, and has nothing to suggest")
  func allowed() throws {
    let answer = try explain(call(), [rule(interface: "org.example.Window"), door])
    #expect(answer.verdict.action == .allow && answer.verdict.reason == .rule)
    #expect(answer.rule?.location.line == 7)
    #expect(answer.nearest == nil && answer.suggestion == nil)
  }

  @Test("a denied call names the rule that came nearest, and what it misses")
  func nearest() throws {
    let answer = try explain(call { $0.path = "/org/example/gate" }, [rule(incoming: true, interface: "org.x.Y"), door])
    #expect(answer.verdict.action == .deny && answer.verdict.reason == .noRule)
    #expect(answer.nearestSentence == "all but object-path matches the rule at rules.json:7")
    #expect(answer.misses == [Explanation.Miss(key: "object-path", wanted: Self.path, found: "/org/example/gate")])
  }

  @Test("what is suggested allows the message when it is added, and allows no neighbour of it")
  func suggestion() throws {
    let questions = [
      call(), call { $0.fds = 3 }, call { $0.interface = "" }, call { $0.kind = .signal },
      call { ($0.kind, $0.direction) = (.signal, .incoming) },
      call { ($0.direction, $0.destination) = (.incoming, "") }, call { ($0.direction, $0.destination) = (.incoming, "org.me") },
      driver("org.freedesktop.DBus", "RequestName", argument: "org.me"), driver("org.freedesktop.DBus", "StartServiceByName"),
      driver("org.freedesktop.DBus.Monitoring", "BecomeMonitor"), driver("", "BecomeMonitor"),
      driver("org.freedesktop.DBus.Unheard", "Of"),
    ]
    for question in questions {
      let denied = try explain(question)
      #expect(denied.verdict.action == .deny, "\(question.summary)")
      let rule = try #require(denied.suggestion, "\(question.summary)")
      #expect(try explain(question, [rule]).verdict.passes, "\(question.summary)")
      var other = question
      other.member += "2"
      #expect(try !explain(other, [rule]).verdict.passes, "\(question.summary)")
    }
  }

  @Test("the suggested rule is read back as it was, and allows the message as a document too")
  func pasted() throws {
    let question = call { $0.fds = 2 }
    let rule = try #require(try explain(question).suggestion)
    var json = JSONWriter()
    json.rule(rule, comment: nil)
    let text = "{\"dbus-gateway-config-session\": [\(String(decoding: json.text, as: UTF8.self))]}"
    let rules = try GatewayDocument.parse(Array(text.utf8), file: "f").sessionRules
    #expect(try explain(question, rules).verdict.passes)
    #expect(try !explain(call { $0.fds = 3 }, rules).verdict.passes)
  }

  @Test("what a deny rule stops has no rule to paste")
  func denied() throws {
    let answer = try explain(call(), [door, rule(interface: "org.example.*", action: .deny, line: 9)])
    #expect(answer.verdict.reason == .rule && answer.rule?.location.line == 9)
    #expect(answer.suggestion == nil && answer.nearest == nil)
  }

  @Test(
    "the bus's methods are decided by the driver's table",
    arguments: [
      ("org.freedesktop.DBus", "ListNames", true), ("org.freedesktop.DBus", "AddMatch", true),
      ("org.freedesktop.DBus", "RemoveMatch", true), ("org.freedesktop.DBus", "RequestName", false),
      ("org.freedesktop.DBus.Peer", "Ping", true), ("org.freedesktop.DBus.Monitoring", "BecomeMonitor", false),
      ("org.freedesktop.DBus", "ReloadConfig", false),
    ])
  func table(interface: String, member: String, passes: Bool) throws {
    #expect(try explain(driver(interface, member)).verdict.passes == passes)
  }

  @Test("a wildcard does not open a privileged method, and says so")
  func literal() throws {
    let answer = try explain(driver("org.freedesktop.DBus.Monitoring", "BecomeMonitor"), [rule(line: 3)])
    #expect(answer.verdict.reason == .driverClosed)
    #expect(answer.nearestSentence == "the rule at rules.json:3 matches, but with a wildcard")
  }

  @Test("arguments of the bus's methods count: a match rule that eavesdrops is denied, another is not")
  func arguments() throws {
    let bus = "org.freedesktop.DBus"
    #expect(try explain(driver(bus, "AddMatch", argument: "eavesdrop=true")).verdict.reason == .eavesdrop)
    #expect(try explain(driver(bus, "AddMatch", argument: "type='signal'")).verdict.passes)
    #expect(try explain(driver(bus, "AddMatch", argument: "type='")).verdict.reason == .matchRuleInvalid)
  }

  @Test("an answer without a call is dropped, and needs no rule")
  func answers() throws {
    let answer = try explain(call { $0.kind = .methodReturn }, [rule(incoming: true, signals: true)])
    #expect(answer.verdict.action == .drop && answer.verdict.reason == .strayReply)
    #expect(answer.suggestion == nil)
  }

  @Test("a message for somebody else is dropped, and one for a name of the client's is not")
  func addressed() throws {
    let open = rule(outgoing: false, incoming: true, methodCalls: true, signals: true)
    let incoming = call { ($0.direction, $0.destination) = (.incoming, "org.me") }
    #expect(try explain(incoming, [open]).verdict.passes)
    var others = incoming
    others.isForOthers = true
    #expect(try explain(others, [open]).verdict.reason == .notAddressed)
  }

  @Test("a saved message is decided on as it is, and a broken one is an error")
  func saved() throws {
    let question = call()
    let policy = Policy(rules: [door], busName: "SESSION")
    let bytes = MessageWriter.message(for: question, client: ":1.1", serial: 1)
    #expect(try Explanation(bytes, question, by: policy).verdict.passes)
    #expect(throws: QuestionError.self) { _ = try Explanation(Array(bytes.dropLast(2)), question, by: policy) }
    var broken = bytes
    broken[0] = UInt8(ascii: "x")
    #expect(throws: QuestionError.self) { _ = try Explanation(broken, question, by: policy) }
  }

  @Test("a line of the log asks about the message that it tells of")
  func fromLog() throws {
    let line =
      "deny T gate=session direction=outgoing type=method_call sender=:1.7 destination=org.example.House path=/org/example/door "
      + "interface=org.example.Door member=Lock signature=s reason=no-rule"
    let decision = try #require(try LogLine.decision(Array(line.utf8)[...]))
    let answer = try explain(Question(decision), [door])
    #expect(answer.nearestSentence == "all but method matches the rule at rules.json:7")
    #expect(answer.suggestion?.methods == [Glob(Array("Lock".utf8))])
  }
}
