import Testing

@testable import GatePolicy

@Suite("the classic dialect")
struct ClassicDialectTests {
  @Test(
    "makes an allow rule inert where a classic key is missing or wrongly typed, with a warning",
    arguments: [
      ("{}", 33, "rule has no \"direction\", expected \(classicKeys)"),
      ("{\"direction\":\"*\",\"interface\":\"*\",\"object-path\":\"*\"}", 33, "rule has no \"method\", expected \(classicKeys)"),
      (
        "{\"direction\":7,\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}", 46,
        "\"direction\" is a number, expected \"outgoing\", \"incoming\" or \"*\""
      ),
      (
        "{\"direction\":\"both\",\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}", 46,
        "direction \"both\" meets neither word, expected \"outgoing\", \"incoming\" or \"*\""
      ),
      (
        "{\"direction\":\"\",\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}", 46,
        "direction \"\" meets neither word, expected \"outgoing\", \"incoming\" or \"*\""
      ),
      (
        "{\"direction\":\"*\",\"interface\":{\"a\":[1]},\"object-path\":\"*\",\"method\":\"*\"}", 62,
        "\"interface\" is an object, expected a pattern"
      ),
      (
        "{\"direction\":\"*\",\"interface\":\"*\",\"object-path\":[],\"method\":\"*\"}", 80,
        "\"object-path\" is an array, expected a pattern"
      ),
      (
        "{\"direction\":\"*\",\"interface\":\"*\",\"object-path\":\"*\",\"method\":[\"A\",null,3,\"B\"]}", 98,
        "\"method\" is null, expected a pattern"
      ),
    ])
  func inert(rule: String, column: Int, message: String) throws {
    let document = try parse(sessionDocument("\(rule),\(completeRule())"), .classic)
    #expect(document.sessionRules.map(\.isInert) == [true, false])
    #expect(
      document.warnings.map(\.description) == ["a.json:1:\(column): warning: \(message); the rule allows nothing"])
    #expect(document.sessionRules[0].location.column == 33)
    let policy = Policy(rules: document.sessionRules, busName: "SESSION")
    #expect(policy.answer(.match, Message()).rule == 1)
    #expect(Policy(document.sessionRules[0]).answer(.match, Message()) == .none)
  }

  @Test("refuses a deny rule that would be inert, wherever its action stands")
  func inertDeny() {
    let first = sessionDocument(
      "{\"action\":\"deny\",\"direction\":\"*\",\"interface\":7,\"object-path\":\"*\",\"method\":\"*\"}")
    #expect(refusal(of: first, .classic) == "a.json:1:78: error: \"interface\" is a number, expected a pattern")
    let last = sessionDocument("{\"direction\":\"*\",\"interface\":\"*\",\"object-path\":\"*\",\"action\":\"deny\"}")
    let neither = sessionDocument(
      "{\"action\":\"deny\",\"direction\":\"both\",\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}")
    #expect(refusal(of: neither, .classic)?.contains("meets neither word") == true)
    #expect(refusal(of: last, .classic) == "a.json:1:33: error: rule has no \"method\", expected \(classicKeys)")
  }

  @Test("passes over an unknown key in a rule, with a warning; the native dialect does not")
  func unknownKey() throws {
    let text = sessionDocument(completeRule(",\"metod\":[{}],\"\":0"))
    let document = try parse(text, .classic)
    let column = 33 + completeRule().utf8.count
    #expect(!document.sessionRules[0].isInert)
    #expect(
      document.warnings.map(\.description) == [
        "a.json:1:\(column): warning: unknown key \"metod\" is ignored, expected \"method\"",
        "a.json:1:\(column + 13): warning: unknown key \"\" is ignored, expected \(keys)",
      ])
    #expect(refusal(of: text) != nil)
  }
}
