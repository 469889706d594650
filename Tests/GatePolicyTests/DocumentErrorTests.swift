import Testing

@testable import GatePolicy

@Suite("what is no gateway document is refused where it goes wrong")
struct DocumentErrorTests {
  @Test(
    "outside of rules",
    arguments: [
      ("[1]", "1:2", "a number in an array of documents, expected an object"),
      ("[{}, []]", "1:6", "an array in an array of documents, expected an object"),
      (
        "{\"dbus-gateway-config-session\": {}}", "1:33",
        "\"dbus-gateway-config-session\" is an object, expected an array of rules"
      ),
      ("{\"dbus-gateway-config-system\":\nnull}", "2:1", "\"dbus-gateway-config-system\" is null, expected an array of rules"),
      ("{\"dbus-gateway-config-system\": [\"a\"]}", "1:33", "rule is a string, expected an object"),
      ("{\"dbus-gateway-config-system\": [[]]}", "1:33", "rule is an array, expected an object"),
      (
        "{\"dbus-gateway-config-session\":[],\"dbus-gateway-config-session\":[]}", "1:35",
        "duplicate key \"dbus-gateway-config-session\", expected each key once"
      ),
      ("{\"busgate\": []}", "1:13", "\"busgate\" is an array, expected an object"),
      ("{\"busgate\": {\"limits\": {}}}", "1:14", "key \"limits\" is not supported in this version, expected \"names\""),
      ("{\"busgate\": {\"allow-uids\": []}}", "1:14", "key \"allow-uids\" is not supported in this version, expected \"names\""),
      ("{\"busgate\": {\"name\": {}}}", "1:14", "unknown key \"name\", expected \"names\""),
      ("{\"busgate\": {\"names\": []}}", "1:23", "\"names\" is an array, expected an object"),
      ("{\"busgate\": {\"names\": {\"call\": []}}}", "1:24", "unknown key \"call\", expected \"own\", \"talk\" or \"see\""),
      ("{\"busgate\": {\"names\": {\"own\": \"a.b\"}}}", "1:31", "\"own\" is a string, expected an array of names"),
      ("{\"busgate\": {\"names\": {\"own\": [1]}}}", "1:32", "name is a number, expected a string"),
      (
        "{\"busgate\": {\"names\": {\"own\": [\n \"a..b\"]}}}", "2:2",
        "name is \"a..b\", wrong at character 3, expected a letter, \"_\", \"-\" or a wildcard"
      ),
    ], [GatewayDocument.Dialect.native, .classic])
  func document(_ refused: (text: String, place: String, message: String), dialect: GatewayDocument.Dialect) {
    #expect(refusal(of: refused.text, dialect) == "a.json:\(refused.place): error: \(refused.message)")
  }

  @Test(
    "a classic key missing or wrongly typed",
    arguments: [
      ("{}", 33, "rule has no \"direction\", expected \(classicKeys)"),
      (
        "{\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}", 33, "rule has no \"direction\", expected \(classicKeys)"
      ),
      (
        "{\"direction\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}", 33, "rule has no \"interface\", expected \(classicKeys)"
      ),
      (
        "{\"direction\":\"*\",\"interface\":\"*\",\"method\":\"*\"}", 33, "rule has no \"object-path\", expected \(classicKeys)"
      ),
      (
        "{\"direction\":\"*\",\"interface\":\"*\",\"object-path\":\"*\"}", 33, "rule has no \"method\", expected \(classicKeys)"
      ),
      ("{\"direction\":1}", 46, "\"direction\" is a number, expected \"outgoing\", \"incoming\" or \"*\""),
      ("{\"direction\":[\"*\"]}", 46, "\"direction\" is an array, expected \"outgoing\", \"incoming\" or \"*\""),
      ("{\"interface\":null}", 46, "\"interface\" is null, expected a pattern"),
      ("{\"object-path\": {}}", 49, "\"object-path\" is an object, expected a pattern"),
      ("{\"method\":true}", 43, "\"method\" is a boolean, expected a pattern"),
      ("{\"method\":[\"A\", 2]}", 49, "\"method\" is a number, expected a pattern"),
      ("{\"method\":[[\"A\"]]}", 44, "\"method\" is an array, expected a pattern"),
    ])
  func classicKey(rule: String, column: Int, message: String) {
    #expect(refusal(of: sessionDocument(rule)) == "a.json:1:\(column): error: \(message)")
  }

  @Test(
    "any other slip in a rule, in both dialects",
    arguments: [
      (",\"direction\":\"*\"", "duplicate key \"direction\", expected each key once", 0),
      (",\"type\":1", "\"type\" is a number, expected \"method_call\" or \"signal\"", 7),
      (",\"type\":\"error\"", "\"type\" is \"error\", expected \"method_call\" or \"signal\"", 7),
      (",\"type\":[\"signal\",\"Signal\"]", "\"type\" is \"Signal\", expected \"method_call\" or \"signal\"", 17),
      (",\"type\":[]", "\"type\" is an empty array, expected \"method_call\", \"signal\" or an array of both", 7),
      (",\"action\":\"drop\"", "\"action\" is \"drop\", expected \"allow\" or \"deny\"", 9),
      (",\"action\":false", "\"action\" is a boolean, expected \"allow\" or \"deny\"", 9),
      (",\"max-fds\":\"1\"", "\"max-fds\" is a string, expected a whole number from 0 to 253", 10),
      (",\"max-fds\":-1", "\"max-fds\" is out of range, expected a whole number from 0 to 253", 10),
      (",\"max-fds\":-0", "\"max-fds\" is out of range, expected a whole number from 0 to 253", 10),
      (",\"max-fds\":254", "\"max-fds\" is out of range, expected a whole number from 0 to 253", 10),
      (",\"max-fds\":1.0", "\"max-fds\" is out of range, expected a whole number from 0 to 253", 10),
      (",\"max-fds\":1e1", "\"max-fds\" is out of range, expected a whole number from 0 to 253", 10),
      (",\"max-fds\":99999999999999999999", "\"max-fds\" is out of range, expected a whole number from 0 to 253", 10),
      (",\"log\":1", "\"log\" is a number, expected true or false", 6),
      (",\"log\":\"true\"", "\"log\" is a string, expected true or false", 6),
      (",\"comment\":[]", "\"comment\" is an array, expected a string", 10),
      (",\"name\":[]", "\"name\" is an array, expected a well-known name, a subtree like \"org.foo.*\" or a glob", 7),
      (",\"name\":\":1.5\"", "\"name\" is \":1.5\", wrong at character 1, expected a well-known name, not a unique one", 7),
      (",\"name\":\"foo\"", "\"name\" is \"foo\", wrong at character 4, expected \".\" and another element", 7),
      (",\"rate\":{}", "key \"rate\" is not supported in this version, expected \(keys)", 0),
      (",\"arg0\":\"\"", "key \"arg0\" is not supported in this version, expected \(keys)", 0),
      (",\"arg63\":\"\"", "key \"arg63\" is not supported in this version, expected \(keys)", 0),
      (",\"arg0path\":\"\"", "key \"arg0path\" is not supported in this version, expected \(keys)", 0),
      (",\"arg63path\":\"\"", "key \"arg63path\" is not supported in this version, expected \(keys)", 0),
      (",\"arg0namespace\":\"\"", "key \"arg0namespace\" is not supported in this version, expected \(keys)", 0),
    ], [GatewayDocument.Dialect.native, .classic])
  func slip(_ refused: (more: String, message: String, offset: Int), dialect: GatewayDocument.Dialect) {
    let column = 33 + completeRule().utf8.count + refused.offset
    #expect(refusal(of: sessionDocument(completeRule(refused.more)), dialect) == "a.json:1:\(column): error: \(refused.message)")
  }

  @Test(
    "an unknown key, with the key that was probably meant",
    arguments: [
      ("methods", "\"method\""), ("metod", "\"method\""), ("Direction", "\"direction\""), ("objectpath", "\"object-path\""),
      ("object_path", "\"object-path\""), ("max_fds", "\"max-fds\""), ("destination", keys), ("", keys), ("arg64", keys),
      ("arg00", keys), ("argpath", keys), ("arg0paths", keys), ("arg+1", keys),
    ])
  func unknownKey(key: String, expected: String) {
    let column = 33 + completeRule().utf8.count
    let text = sessionDocument(completeRule(",\"\(key)\":0"))
    #expect(refusal(of: text) == "a.json:1:\(column): error: unknown key \"\(key)\", expected \(expected)")
  }

  @Test("an unknown key is shown on one line, in printable ASCII, and cut")
  func hostileKey() {
    let key = "\\n\\u001b[31m\\u202eé\\\"" + String(repeating: "x", count: 100)
    let message = refusal(of: sessionDocument(completeRule(",\"\(key)\":0"))) ?? ""
    #expect(message.contains("unknown key \"\\n\\u{1B}[31m\\u{202E}\\u{00E9}\\\"xxx"))
    #expect(message.contains("xxx...\", expected"))
    #expect(message.utf8.allSatisfy { (0x20...0x7E).contains($0) })
  }

  @Test("a direction that meets neither word", arguments: ["", "out", "Outgoing", "outgoing ", "both", "?", "*x"])
  func direction(_ pattern: String) {
    let text = sessionDocument("{\"direction\":\"\(pattern)\",\"interface\":\"*\",\"object-path\":\"*\",\"method\":\"*\"}")
    let message = "direction \"\(pattern)\" meets neither word, expected \"outgoing\", \"incoming\" or \"*\""
    #expect(refusal(of: text) == "a.json:1:46: error: \(message)")
  }

  @Test("the place counts lines from the given one, and columns in bytes")
  func place() {
    let text = "{\r\n\"x\": 1, \"é\": 2,\n\t\"dbus-gateway-config-session\": 3}"
    let error = #expect(throws: ConfigurationError.self) {
      _ = try GatewayDocument.parse(Array(text.utf8), file: "-", firstLine: 40)
    }
    #expect(error?.location == SourceLocation(file: "-", line: 42, column: 33))
  }
}
