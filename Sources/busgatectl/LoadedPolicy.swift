// What a command was given to read: configurations and manifests, with their texts, so that it can point at what it speaks of.

import GatePolicy
import GateServer
import PolicyTools

/// The rules of some files, and what is wrong with the files.
struct LoadedPolicy {
  private(set) var session: [GatewayRule] = []
  private(set) var system: [GatewayRule] = []
  /// The names of all files, for either bus; nil if none has any.
  private(set) var names: NameRules?
  /// What the parser found.
  private(set) var findings: [Finding] = []
  private(set) var outline = RuleOutline()
  /// By name, for the line that a finding is about.
  private(set) var texts: [String: [UInt8]] = [:]

  var rules: [GatewayRule] { session + system }

  func rules(for bus: Bus) -> [GatewayRule] {
    switch bus {
    case .session: session
    case .system: system
    }
  }

  func policy(for bus: Bus) -> Policy { Policy(rules: rules(for: bus), names: names, busName: bus.rawValue.uppercased()) }

  /// Reads a configuration, or a manifest with all of its capabilities. What its parser refuses becomes a finding.
  mutating func add(file path: String) throws(ConfigurationFailure) {
    let input = try InputFile(path, expected: "a gateway configuration")
    texts[input.name] = input.bytes
    do throws(ConfigurationError) {
      if Self.isManifest(input.bytes) {
        let manifest = try ServiceManifest.parse(input.bytes, file: input.name)
        findings += manifest.warnings.map(Finding.init)
        for document in manifest.capabilities.flatMap(\.gateways).compactMap(\.document) { add(document) }
      } else {
        let document = try GatewayDocument.parse(input.bytes, file: input.name)
        findings += document.warnings.map(Finding.init)
        add(document)
      }
      outline.add(input.bytes, file: input.name)
    } catch {
      findings.append(Finding(error))
    }
  }

  /// Puts a document's rules behind these.
  mutating func add(_ document: GatewayDocument) {
    session += document.sessionRules
    system += document.systemRules
    if let added = document.names {
      var all = names ?? NameRules()
      all.add(added)
      names = all
    }
  }

  /// Whether a text is an object with `capabilities`, which no configuration has.
  private static func isManifest(_ text: [UInt8]) -> Bool {
    do throws(ConfigurationError) {
      var reader = try JSONReader(text, file: "", firstLine: 1)
      if try reader.peek() != .object { return false }
      try reader.open()
      while let key = try reader.nextKey() {
        if key.text.elementsEqual("capabilities".utf8) { return true }
        try reader.skipValue()
      }
    } catch {
      return false  // whoever parses it says what is wrong
    }
    return false
  }
}
