// What a command was given to read: configurations and manifests, with their texts, so that it can point at what it speaks of.

// Reads no file itself: that is the command's.

import GatePolicy

/// The rules of some files, and what is wrong with the files.
public struct LoadedPolicy: Sendable {
  /// Rules for the session bus, in order.
  public private(set) var session: [GatewayRule] = []
  /// Rules for the system bus, in order.
  public private(set) var system: [GatewayRule] = []
  /// The names of all files, for either bus; nil if none has any.
  public private(set) var names: NameRules?
  /// What the parser found.
  public private(set) var findings: [Finding] = []
  /// Where the keys of the rules stand.
  public private(set) var outline = RuleOutline()
  /// By name, for the line that a finding is about.
  public private(set) var texts: [String: [UInt8]] = [:]

  /// Nothing so far.
  public init() {}

  /// The rules of both buses.
  public var rules: [GatewayRule] { session + system }

  /// The rules for one bus.
  public func rules(for bus: GatewayBus) -> [GatewayRule] {
    switch bus {
    case .session: session
    case .system: system
    }
  }

  /// What they come to for one bus.
  public func policy(for bus: GatewayBus) -> Policy {
    Policy(rules: rules(for: bus), names: names, busName: bus.rawValue.uppercased())
  }

  /// Adds the text of `file`: a configuration, or a manifest with all of its capabilities. What its parser refuses becomes a finding.
  public mutating func add(_ bytes: [UInt8], file: String) {
    texts[file] = bytes
    do throws(ConfigurationError) {
      if Self.isManifest(bytes) {
        let manifest = try ServiceManifest.parse(bytes, file: file)
        findings += manifest.warnings.map(Finding.init)
        for document in manifest.capabilities.flatMap(\.gateways).compactMap(\.document) { add(document) }
      } else {
        let document = try GatewayDocument.parse(bytes, file: file)
        findings += document.warnings.map(Finding.init)
        add(document)
      }
      outline.add(bytes, file: file)
    } catch {
      findings.append(Finding(error))
    }
  }

  /// Puts a document's rules behind these.
  public mutating func add(_ document: GatewayDocument) {
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
