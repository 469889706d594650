import Testing

@testable import GatePolicy

@Suite("Service manifests")
struct ServiceManifestTests {
  private func parse(_ text: String, file: String = "m.json") throws -> ServiceManifest {
    try ServiceManifest.parse(Array(text.utf8), file: file)
  }

  private func rule(_ member: String) -> String {
    #"{"direction":"outgoing","interface":"a.B","object-path":"/","method":"\#(member)"}"#
  }

  private func capability(_ name: String, _ member: String) -> String {
    #"{"name":"\#(name)","gateways":[{"id":"dbus","config":[{"dbus-gateway-config-session":[\#(rule(member))]}]}]}"#
  }

  private func members(_ selection: ManifestSet.Selection) -> [String] {
    selection.documents.flatMap(\.sessionRules).flatMap { $0.methods.map { String(decoding: $0.pattern, as: UTF8.self) } }
  }

  @Test("gateways of D-Bus are read, others are named; the keys of a gateway come in any order")
  func gateways() throws {
    let manifest = try parse(
      """
      {"capabilities": [{"gateways": [
        {"config": [{"dbus-gateway-config-system": [\(rule("M"))]}], "id": "dbus"},
        {"config": [{"any": 1}], "id": "network"}, {"id": "wayland"}], "name": "c"}]}
      """)
    let gateways = try #require(manifest.capabilities.first?.gateways)
    #expect(gateways.map(\.id) == ["dbus", "network", "wayland"])
    #expect(gateways[0].document?.systemRules.count == 1)
    #expect(gateways[0].document?.systemRules[0].location == SourceLocation(file: "m.json", line: 2, column: 47))
    #expect(gateways[1].document == nil && gateways[2].document == nil)
    #expect(gateways[1].location.line == 3)
  }

  @Test(
    "what is wrong is an error with its place",
    arguments: [
      ("[]", "1:1", "manifest is an array"), ("{}", "1:1", "no \"capabilities\""), ("{\"capabilities\": 1}", "1:18", "an array"),
      (#"{"version": "2", "capabilities": []}"#, "1:13", "expected \"1\""),
      (#"{"version": 1, "capabilities": []}"#, "1:13", "a number"), (#"{"capabilities": [1]}"#, "1:19", "expected an object"),
      (#"{"capabilities": [{"gateways": []}]}"#, "1:19", "no \"name\""),
      (#"{"capabilities": [{"name": "", "gateways": []}]}"#, "1:28", "expected the name"),
      (#"{"capabilities": [{"name": "c"}]}"#, "1:19", "no \"gateways\""),
      (#"{"capabilities": [{"name": "c", "gateways": [{"config": []}]}]}"#, "1:46", "no \"id\""),
      (#"{"capabilities": [{"name": "c", "gateways": [{"id": "dbus"}]}]}"#, "1:46", "no \"config\""),
      (#"{"capabilities": [{"name": "c", "gateways": [{"id": "dbus", "config": 1}]}]}"#, "1:71", "a number"),
      (
        #"{"capabilities": [{"name": "c", "gateways": [{"config": [{"dbus-gateway-config-session": [{}]}], "id": "dbus"}]}]}"#,
        "1:91", "direction"
      ),
      (#"{"capabilities": []} x"#, "1:22", "the end"), ("{\"capabilities\": []", "1:20", "unexpected end"),
      (#"{"capabilities": [], "capabilities": []}"#, "1:22", "duplicate"),
    ])
  func errors(text: String, place: String, says: String) {
    #expect {
      _ = try parse(text)
    } throws: { error in
      let text = "\(error)"
      return text.hasPrefix("m.json:\(place): error: ") && text.contains(says)
    }
  }

  @Test("a key that no manifest has is passed over with a warning, and its neighbour without")
  func warnings() throws {
    let manifest = try parse(#"{"version": "1", "capabilitys": 3, "capabilities": []}"#)
    #expect(manifest.warnings.map(\.message) == ["unknown key \"capabilitys\" is ignored, expected \"capabilities\""])
    #expect(try parse(#"{"version": "1", "capabilities": []}"#).warnings.isEmpty)
  }

  @Test("defaults always apply, others when asked for, in order and from every manifest that has them, duplicates kept")
  func selection() throws {
    let defaults = try parse("{\"capabilities\": [\(capability("base", "D"))]}")
    let first = try parse("{\"capabilities\": [\(capability("a", "A1")), \(capability("b", "B"))]}")
    let second = try parse("{\"capabilities\": [\(capability("a", "A2")), \(capability("a", "A1"))]}")
    let set = ManifestSet(defaults: [defaults], others: [first, second])
    #expect(members(try set.select([])) == ["D"])
    #expect(members(try set.select(["a"])) == ["D", "A1", "A2", "A1"])
    #expect(members(try set.select(["b", "a", "b"])) == ["D", "B", "A1", "A2", "A1"])
    #expect(members(try set.select(["base"])) == ["D"])
  }

  @Test("a capability that nobody defines refuses everything, and a near one is named")
  func missing() throws {
    let set = ManifestSet(others: [try parse("{\"capabilities\": [\(capability("audio.play", "P")), \(capability("x", "X"))]}")])
    #expect { _ = try set.select(["x", "audio.pley"]) } throws: { "\($0)".contains("expected \"audio.play\"") }
    #expect { _ = try set.select(["nothing-like-it"]) } throws: { "\($0)".contains("one of \"audio.play\", \"x\"") }
    #expect { _ = try ManifestSet().select(["x"]) } throws: { "\($0)".contains("no capabilities at all") }
  }

  @Test("gateways that are not for D-Bus are told of, for the capabilities that apply only")
  func skipped() throws {
    let manifest = try parse(
      #"{"capabilities": [{"name": "a", "gateways": [{"id": "wayland"}]}, {"name": "b", "gateways": [{"id": "network"}]}]}"#)
    let selection = try ManifestSet(others: [manifest]).select(["a"])
    #expect(selection.skipped.map { "\($0.capability) \($0.gateway.id)" } == ["a wayland"])
  }
}
