import Testing

@testable import GatePolicy

@Suite("a gateway document")
struct DocumentTests {
  @Test("gives its rules, in order, with their places")
  func rules() throws {
    let document = try parse(
      """
      { "dbus-gateway-config-system": [
          { "direction": "outgoing", "interface": "org.foo.Bar", "object-path": "/org/foo", "method": "Echo" }, {
            "method": ["A", "B*"], "object-path": "*", "interface": "*", "direction": "in*", "comment": "all keys",
            "type": "signal", "action": "deny", "max-fds": 253, "log": false } ],
        "dbus-gateway-config-session": [] }
      """)
    #expect(document.sessionRules.isEmpty && document.warnings.isEmpty && document.systemRules.count == 2)
    let (first, second) = (document.systemRules[0], document.systemRules[1])
    #expect(first.outgoing && !first.incoming && first.methodCalls && first.signals && !first.isInert)
    #expect(first.interface == Glob(Array("org.foo.Bar".utf8)) && first.objectPath == Glob(Array("/org/foo".utf8)))
    #expect(first.methods == [Glob(Array("Echo".utf8))] && first.maxFDs == nil && first.action == .allow && first.log == nil)
    #expect(first.location.description == "a.json:2:5")
    #expect(!second.outgoing && second.incoming && !second.methodCalls && second.signals)
    #expect(second.methods == [Glob(Array("A".utf8)), Glob(Array("B*".utf8))])
    #expect(second.maxFDs == 253 && second.action == .deny && second.log == false)
    #expect(second.location.description == "a.json:2:107")
  }

  @Test(
    "takes its direction for a glob against the two words",
    arguments: [
      ("outgoing", true, false), ("incoming", false, true), ("*", true, true), ("*going", true, false), ("??coming", false, true),
      ("?*ing", true, true), ("i*", false, true),
    ])
  func direction(pattern: String, outgoing: Bool, incoming: Bool) throws {
    let text = sessionDocument("{\"direction\":\"\(pattern)\",\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}")
    let rule = try #require(try parse(text).sessionRules.first)
    #expect(rule.outgoing == outgoing && rule.incoming == incoming)
  }

  @Test(
    "takes message types from a word or an array",
    arguments: [
      ("\"method_call\"", true, false), ("\"signal\"", false, true), ("[\"signal\"]", false, true),
      ("[\"signal\",\"method_call\"]", true, true), ("[\"method_call\",\"method_call\"]", true, false),
    ])
  func types(value: String, methodCalls: Bool, signals: Bool) throws {
    let rule = try #require(try parse(sessionDocument(completeRule(",\"type\":\(value)"))).sessionRules.first)
    #expect(rule.methodCalls == methodCalls && rule.signals == signals)
  }

  @Test("may be an array of documents, which are put together in order")
  func array() throws {
    let rule = completeRule()
    let text = "[{\"dbus-gateway-config-session\":[\(rule)]},\n{},\n\(sessionDocument(rule + ",\n" + rule))\n]"
    let document = try parse(text)
    #expect(document.sessionRules.map(\.location.line) == [1, 3, 4])
    #expect(document.systemRules.isEmpty)
    #expect(try parse("[]").sessionRules.isEmpty)
    #expect(try parse("{}").sessionRules.isEmpty)
  }

  @Test("is warned about for unknown top-level keys, whatever they hold")
  func unknownTopLevelKeys() throws {
    let document = try parse(
      """
      {"dbus-gateway-config-sesion": [{"direction": 1}],
       "version": "1"}
      """)
    #expect(
      document.warnings.map(\.description) == [
        "a.json:1:2: warning: unknown key \"dbus-gateway-config-sesion\" is ignored, expected \"dbus-gateway-config-session\"",
        "a.json:2:2: warning: unknown key \"version\" is ignored, "
          + "expected \"dbus-gateway-config-session\" or \"dbus-gateway-config-system\"",
      ])
    #expect(document.sessionRules.isEmpty)
  }

  @Test("may name its schema, for editors, in each document; a key that is nearly that is warned about")
  func schemaKey() throws {
    #expect(try parse(#"{"$schema": "gateway.schema.json", "dbus-gateway-config-session": []}"#).warnings.isEmpty)
    #expect(try parse(#"[{"$schema": "a"}, {"$schema": "b"}]"#).warnings.isEmpty)
    #expect(
      try parse(#"{"$shema": "gateway.schema.json"}"#).warnings.map(\.description) == [
        "a.json:1:2: warning: unknown key \"$shema\" is ignored, expected \"$schema\""
      ])
  }

  @Test("is warned about for patterns that match nothing")
  func emptyPatterns() throws {
    let document = try parse(
      sessionDocument("{\"direction\":\"*\",\"interface\":\"\",\"object-path\":\"\",\n\"method\":[]}, \(completeRule())"))
    #expect(
      document.warnings.map(\.description) == [
        "a.json:1:62: warning: \"interface\" is \"\" and matches nothing, expected a pattern",
        "a.json:1:79: warning: \"object-path\" is \"\" and matches nothing, expected a pattern",
        "a.json:2:10: warning: \"method\" is an empty array and matches nothing, expected at least one pattern",
      ])
    #expect(document.sessionRules.count == 2)
  }

  @Test("decodes escapes before it compares or matches")
  func escapes() throws {
    let document = try parse(
      sessionDocument(
        "{\"\\u0064irection\":\"out\\u0067oing\",\"interface\":\"\\u00e9\\ud83d\\ude00é\","
          + "\"object-path\":\"\\/a\",\"method\":\"\\u002a\"}"
      ))
    let rule = try #require(document.sessionRules.first)
    #expect(rule.outgoing && !rule.incoming && rule.methods == [Glob(Array("*".utf8))])
    #expect(rule.interface == Glob(Array("é😀é".utf8)) && rule.objectPath == Glob(Array("/a".utf8)))
  }

  @Test("of 10,000 rules is read and compiled, and its rules are found")
  func large() throws {
    let rules = (0..<10_000).map {
      "{\"direction\":\"outgoing\",\"interface\":\"org.example.S\($0)\",\"object-path\":\"/s\($0)\",\"method\":\"M\"}"
    }
    let document = try parse(sessionDocument(rules.joined(separator: ",\n")))
    #expect(document.sessionRules.count == 10_000 && document.sessionRules[9_999].location.line == 10_000)
    let policy = Policy(rules: document.sessionRules, busName: "SESSION")
    var wrong: [Int] = []
    for i in 0..<10_000 {
      let found = policy.answer(.match, Message(interface: "org.example.S\(i)", path: "/s\(i)", member: "M"))
      let missed = policy.answer(.match, Message(interface: "org.example.S\(i)", path: "/s\(i + 1)", member: "M"))
      if found != RuleMatch(outcome: .allow, rule: Int32(i), log: nil) || missed.outcome != .none { wrong.append(i) }
    }
    #expect(wrong == [])
  }
}
