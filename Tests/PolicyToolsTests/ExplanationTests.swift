import GatePolicy
import GateSession
import Testing

@testable import PolicyTools

@Suite("Explanations")
struct ExplanationTests {
  private static let path = "/org/example/door"

  private func call(_ member: String = "Open", _ change: (inout MessageQuery) -> Void = { _ in }) -> MessageQuery {
    var query = MessageQuery(direction: .outgoing, kind: .methodCall)
    (query.interface, query.path, query.member) = ("org.example.Door", Self.path, member)
    query.destination = "org.example.House"
    change(&query)
    return query
  }

  private func driver(_ interface: String, _ member: String, argument: String? = nil) -> MessageQuery {
    call(member) {
      ($0.interface, $0.path, $0.destination) = (interface, "/org/freedesktop/DBus", "org.freedesktop.DBus")
      $0.argument = argument
    }
  }

  private func explain(_ query: MessageQuery, _ rules: [GatewayRule] = []) throws -> Explanation {
    try Explanation(query, by: Policy(rules: rules, busName: "SESSION"))
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
    let queries = [
      call(), call { $0.fds = 3 }, call { $0.interface = "" }, call { $0.kind = .signal },
      call { ($0.kind, $0.direction) = (.signal, .incoming) },
      call { ($0.direction, $0.destination) = (.incoming, "") }, call { ($0.direction, $0.destination) = (.incoming, "org.me") },
      driver("org.freedesktop.DBus.Monitoring", "BecomeMonitor"), driver("", "BecomeMonitor"),
      driver("org.freedesktop.DBus.Unheard", "Of"),
    ]
    for query in queries {
      let denied = try explain(query)
      #expect(denied.verdict.action == .deny, "\(query.summary)")
      let rule = try #require(denied.suggestion, "\(query.summary)")
      #expect(try explain(query, [rule]).verdict.passes, "\(query.summary)")
      var other = query
      other.member += "2"
      #expect(try !explain(other, [rule]).verdict.passes, "\(query.summary)")
    }
  }

  /// The name of the rule that is suggested, `-` if it has none, nil if there is no rule.
  private func suggested(_ query: MessageQuery, _ rules: [GatewayRule] = []) throws -> String? {
    try explain(query, rules).suggestion.map { $0.name.map { "\($0)" } ?? "-" }
  }

  @Test("a suggestion keeps the name that the nearest rule asks for, and says that it applies only to that")
  func keepsName() throws {
    let unique = call {
      $0.destination = ":1.2"
      $0.path = "/elsewhere"
    }
    for name in ["org.example.House", "org.example.*", "org.*.House"] {
      let named = rule(interface: "org.example.Door", path: Self.path, name: name)
      let answer = try explain(unique, [named])
      #expect(try suggested(unique, [named]) == name && answer.hint?.contains("applies only to \(name)") == true)
      // The same with a name: that one, and no other.
      #expect(try suggested(call { $0.path = "/elsewhere" }, [named]) == "org.example.House")
    }
    let incoming = call { ($0.direction, $0.destination, $0.path) = (.incoming, "", "/elsewhere") }
    let named = rule(outgoing: false, incoming: true, interface: "org.example.Door", path: Self.path, name: "org.example.House")
    #expect(try suggested(incoming, [named]) == "org.example.House")
    var asked = incoming
    asked.peerName = "org.example.Other"
    #expect(try suggested(asked, [named]) == "org.example.Other")
  }

  @Test("a suggestion is in no key wider than the rule that came nearest, but in what that misses")
  func notWider() throws {
    let near = rule(interface: "org.example.Door", path: Self.path, methods: ["Open"], maxFDs: 0, name: "org.example.House")
    let queries = [
      call { $0.path = "/x" }, call("Close"), call { $0.interface = "org.example.Gate" }, call { $0.interface = "" },
      call { $0.kind = .signal }, call { $0.destination = "org.example.Other" }, call { $0.destination = ":1.2" },
      call { $0.fds = 2 }, call { ($0.destination, $0.interface) = (":1.2", "") },
    ]
    for query in queries {
      let answer = try explain(query, [near])
      let missed = Set(answer.misses.map(\.key))
      guard answer.nearest != nil, let rule = answer.suggestion else {
        #expect(query.interface.isEmpty, "\(query.summary)")
        continue
      }
      #expect(missed.contains("name") || rule.name == near.name || rule.name == nil && missed.contains("name"))
      #expect(missed.contains("interface") || GlobRelation.includes(near.interface, rule.interface))
      #expect(missed.contains("object-path") || GlobRelation.includes(near.objectPath, rule.objectPath))
      #expect(missed.contains("max-fds") || rule.maxFDs == 0)
      #expect(rule.name != nil && rule.methods.count == 1 && rule.methodCalls != rule.signals)
    }
  }

  @Test("for what every service has nothing is suggested without a name, and it is said how to say one")
  func everyService() throws {
    let get = call("Get") { ($0.interface, $0.destination) = ("org.freedesktop.DBus.Properties", ":1.2") }
    let answer = try explain(get)
    #expect(answer.suggestion == nil && answer.hint?.contains("--name NAME") == true)
    var named = get
    named.peerName = "org.example.House"
    #expect(try suggested(named) == "org.example.House")
    #expect(try suggested(call { $0.destination = ":1.2" }) == "-")
    let own = call("PropertiesChanged") {
      ($0.interface, $0.destination, $0.kind) = ("org.freedesktop.DBus.Properties", "", .signal)
    }
    #expect(try suggested(own) == "-")
  }

  @Test(
    "where the bus is asked about a name, names are suggested with that one, and nothing without",
    arguments: [
      ("RequestName", NameLevel.own), ("ReleaseName", .own), ("StartServiceByName", .talk), ("GetNameOwner", .see),
      ("NameHasOwner", .see), ("ListQueuedOwners", .own),
    ])
  func namesOfBus(member: String, level: NameLevel) throws {
    var hidden = NameRules()
    hidden.allow(.see, try NamePattern(Array("org.other".utf8)), at: SourceLocation(file: "f", line: 1, column: 1))
    for names in [hidden] + (member == "RequestName" || member == "ReleaseName" || level == .talk ? [nil] : []) {
      let policy = Policy(rules: [], names: names, busName: "SESSION")
      let query = driver("org.freedesktop.DBus", member, argument: "org.me")
      let answer = try Explanation(query, by: policy)
      #expect(!answer.verdict.passes && answer.suggestion == nil)
      #expect(answer.suggestedNames?.entries.map { "\($0.pattern) \($0.level)" } == ["org.me \(level)"])
      var all = names ?? NameRules()
      all.add(try #require(answer.suggestedNames))
      #expect(try Explanation(query, by: Policy(rules: [], names: all, busName: "SESSION")).verdict.passes)
      let other = driver("org.freedesktop.DBus", member, argument: "org.me2")
      #expect(try !Explanation(other, by: Policy(rules: [], names: all, busName: "SESSION")).verdict.passes)
      let unsaid = try Explanation(driver("org.freedesktop.DBus", member), by: policy)
      #expect(unsaid.verdict.passes || unsaid.suggestion == nil && unsaid.suggestedNames == nil && unsaid.hint != nil)
      let glob = try Explanation(driver("org.freedesktop.DBus", member, argument: "org.*"), by: policy)
      #expect(glob.suggestedNames == nil && glob.suggestion == nil)
    }
  }

  @Test("a rule that keeps its decisions out of the log decides all the same", arguments: [true, false])
  func unlogged(log: Bool) throws {
    func silent(_ action: GatewayRule.Action) -> GatewayRule {
      GatewayRule(
        outgoing: true, incoming: true, interface: Glob(Array("*".utf8)), objectPath: Glob(Array("*".utf8)),
        methods: [Glob(Array("*".utf8))], action: action, log: log, location: SourceLocation(file: "f", line: 3, column: 1))
    }
    for query in [call(), call { ($0.direction, $0.destination) = (.incoming, "") }] {
      #expect(try explain(query, [silent(.allow)]).verdict.action == .allow)
      #expect(try explain(query, [silent(.allow), silent(.deny)]).verdict.action == .deny)
      #expect(try explain(query, [silent(.allow)]).rule?.location.line == 3)
    }
  }

  @Test("the suggested rule is read back as it was, and allows the message as a document too")
  func pasted() throws {
    let query = call { $0.fds = 2 }
    let rule = try #require(try explain(query).suggestion)
    var json = JSONWriter()
    json.rule(rule, comment: nil)
    let text = "{\"dbus-gateway-config-session\": [\(String(decoding: json.text, as: UTF8.self))]}"
    let rules = try GatewayDocument.parse(Array(text.utf8), file: "f").sessionRules
    #expect(try explain(query, rules).verdict.passes)
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
    let query = call()
    let policy = Policy(rules: [door], busName: "SESSION")
    let bytes = MessageWriter.message(for: query, client: ":1.1", serial: 1)
    #expect(try Explanation(bytes, query, by: policy).verdict.passes)
    #expect(throws: MessageQueryError.self) { _ = try Explanation(Array(bytes.dropLast(2)), query, by: policy) }
    var broken = bytes
    broken[0] = UInt8(ascii: "x")
    #expect(throws: MessageQueryError.self) { _ = try Explanation(broken, query, by: policy) }
  }

  @Test(
    "a message that claims any number of descriptors is decided on, or refused with words",
    arguments: [254, 65_535, 65_536, Int(UInt32.max)])
  func descriptors(count: Int) throws {
    let query = call { $0.fds = count }
    let policy = Policy(rules: [door], busName: "SESSION")
    let bytes = MessageWriter.message(for: query, client: ":1.1", serial: 1)
    for explain in [
      { try Explanation(query, by: policy) }, { try Explanation(bytes, MessageQuery(saved: bytes, direction: nil), by: policy) },
    ] {
      do {
        #expect(try !explain().verdict.passes)
      } catch {
        #expect(error is MessageQueryError && !"\(error)".isEmpty)
      }
    }
  }

  @Test("a line of the log asks about the message that it tells of")
  func fromLog() throws {
    let line =
      "deny T gate=session direction=outgoing type=method_call sender=:1.7 destination=org.example.House path=/org/example/door "
      + "interface=org.example.Door member=Lock signature=s reason=no-rule"
    let decision = try #require(try LogLine.decision(Array(line.utf8)[...]))
    let answer = try explain(MessageQuery(decision), [door])
    #expect(answer.nearestSentence == "all but method matches the rule at rules.json:7")
    #expect(answer.suggestion?.methods == [Glob(Array("Lock".utf8))])
  }
}
