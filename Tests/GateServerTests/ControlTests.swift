import Testing

@testable import GatePolicy
@testable import GateServer

@Suite("Control")
struct ControlTests {
  private func parse(_ line: String) -> Result<ControlRequest, ControlRequest.Refusal> {
    let bytes = Array(line.utf8)
    do throws(ControlRequest.Refusal) { return .success(try ControlRequest.parse(bytes[...])) } catch { return .failure(error) }
  }

  @Test(
    "a request is words or an object",
    arguments: [
      ("status", ControlRequest(command: .status)), (" status \r", ControlRequest(command: .status)),
      ("policy", ControlRequest(command: .policy)), ("reload", ControlRequest(command: .reload)),
      ("policy x", ControlRequest(command: .policy, gate: "x")),
      (#"{"command":"help"}"#, ControlRequest(command: .help)),
      (#" { "gate" : "a", "command" : "policy" } "#, ControlRequest(command: .policy, gate: "a")),
    ])
  func understood(_ line: String, _ request: ControlRequest) { #expect(parse(line) == .success(request)) }

  @Test(
    "what is none says why",
    arguments: [
      ("", "empty request"), ("reboot", "unknown command \"reboot\""), ("status x", "too many words"),
      ("policy a b", "too many words"), ("reload a", "too many words"),
      ("{}", "no \"command\""), (#"{"command":"x"}"#, "unknown command"),
      (#"{"command":"status","gate":"a"}"#, "unknown key \"gate\""), (#"{"command":"reload","gate":"a"}"#, "unknown key"),
      (#"{"command":1}"#, "expected a string"), (#"{"command":"status"} x"#, "the end"), ("{", "expected"),
      (#"{"command":"status","command":"status"}"#, "duplicate key"),
    ])
  func refused(_ line: String, _ part: String) {
    guard case .failure(let refusal) = parse(line) else {
      Issue.record("understood")
      return
    }
    #expect(refusal.text.contains(part), "\(refusal.text)")
  }

  @Test("a line is complete at its end, at the end of everything, and when it is too long")
  func complete() {
    #expect(!ControlRequest.isComplete(Array("status".utf8), isAtEnd: false))
    #expect(ControlRequest.isComplete(Array("status".utf8), isAtEnd: true))
    #expect(ControlRequest.isComplete(Array("status\nx".utf8), isAtEnd: false))
    #expect(!ControlRequest.isComplete([], isAtEnd: true))
    #expect(ControlRequest.isComplete([UInt8](repeating: 1, count: ControlRequest.byteCountMax), isAtEnd: false))
  }

  private static let everything = """
    {"dbus-gateway-config-session": [
      {"direction": "*", "interface": "*", "object-path": "*", "method": "*"},
      {"direction": "outgoing", "interface": "a.b", "object-path": "/é\\u202e\\"", "method": ["A", "B?", ""], "type": "signal"},
      {"direction": "in*", "interface": "", "object-path": "/*", "method": [], "type": ["signal", "method_call"], "log": true},
      {"direction": "incoming", "interface": "x", "object-path": "y", "method": "z", "type": "method_call", "action": "deny",
       "max-fds": 0, "name": "org.foo.*", "log": false, "comment": "why"}
    ]}
    """

  private func listing(_ policy: Policy, upTo count: Int) -> [UInt8] {
    var listing = PolicyListing([(label: "a\"b", policy: policy)])
    var all: [UInt8] = []
    while true {
      var chunk: [UInt8] = []
      let more = listing.write(into: &chunk, upTo: count)
      all += chunk
      if !more { return all }
    }
  }

  /// A rule without the place where it was written.
  private func parts(_ rule: GatewayRule) -> String {
    var json = JSONWriter()
    json.rule(rule, comment: "f:2:3")
    let text = String(decoding: json.text, as: UTF8.self)
    return String(text[..<text.range(of: ",\"comment\":")])
  }

  @Test("what is listed is a configuration with the same rules, however small the pieces", arguments: [1, 100, 1 << 20])
  func roundTrip(_ count: Int) throws {
    let rules = try GatewayDocument.parse(Array(Self.everything.utf8), file: "f").sessionRules
    #expect(rules.count == 4)
    let text = String(decoding: listing(Policy(rules: rules, busName: "SESSION"), upTo: count), as: UTF8.self)
    let start = "{\"gates\":[{\"gate\":\"a\\\"b\",\"rules\":4,\"configuration\":"
    #expect(text.hasPrefix(start) && text.hasSuffix("}]}\n"))
    let configuration = text.dropFirst(start.count).dropLast(4)
    let again = try GatewayDocument.parse(Array(configuration.utf8), file: "f").sessionRules
    #expect(again.map(parts) == rules.map(parts))
    #expect(configuration.contains("\"comment\":\"f:2:3\""))
  }

  @Test("every key that a rule can have is told, so that none is lost when a listing is fed back")
  func keys() throws {
    let rules = try GatewayDocument.parse(Array(Self.everything.utf8), file: "f").sessionRules
    let told = rules.map { rule in
      var json = JSONWriter()
      json.rule(rule, comment: "f:2:3")
      return String(decoding: json.text, as: UTF8.self)
    }.joined()
    for key in RuleKey.allCases { #expect(told.contains("\"\(key.rawValue)\":"), "\(key.rawValue)") }
  }

  @Test("names are listed by their levels, and are the same when a listing is fed back")
  func namesBlock() throws {
    let text = "{\"busgate\":{\"names\":{\"see\":[\"a.b\"],\"own\":[\"a.c.*\",\"*.d\"]}}}"
    let names = try #require(try GatewayDocument.parse(Array(text.utf8), file: "f").names)
    let policy = Policy(rules: [], names: names, busName: "SESSION")
    let listed = String(decoding: listing(policy, upTo: 1), as: UTF8.self)
    #expect(
      listed.hasSuffix(
        "\"rules\":0,\"configuration\":{\"dbus-gateway-config-session\":[],"
          + "\"busgate\":{\"names\":{\"own\":[\"a.c.*\",\"*.d\"],\"talk\":[],\"see\":[\"a.b\"]}}}}]}\n"))
  }

  @Test("a policy for the system bus is listed as one, and no gates as none")
  func names() {
    let text = String(decoding: listing(Policy(rules: [], busName: "SYSTEM"), upTo: 1), as: UTF8.self)
    #expect(text.hasSuffix("\"configuration\":{\"dbus-gateway-config-system\":[]}}]}\n"))
    var none = PolicyListing([])
    var output: [UInt8] = []
    #expect(!none.write(into: &output, upTo: 1))
    #expect(output == Array("{\"gates\":[]}\n".utf8))
  }
}

extension String {
  /// Where `part` begins, or the end.
  fileprivate func range(of part: String) -> String.Index {
    var at = startIndex
    while at < endIndex, !self[at...].hasPrefix(part) { at = index(after: at) }
    return at
  }
}
