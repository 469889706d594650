// Reads one service manifest. What a gateway of D-Bus says is DocumentParser's. Called by ServiceManifest.parse.

/// Reads the levels of a manifest: itself, capabilities, gateways.
struct ManifestParser {
  /// The one version there is. Manifests without one are as old as those with it.
  private static let version = "1"

  private var reader: JSONReader
  /// What looks like a mistake.
  private(set) var warnings: [ConfigurationWarning] = []

  /// A parser of what `reader` has.
  init(reader: JSONReader) { self.reader = reader }

  /// Reads the manifest to the end.
  mutating func parse() throws(ConfigurationError) -> [ServiceManifest.Capability] {
    let start = try openObject("manifest")
    var capabilities: [ServiceManifest.Capability]?
    while let key = try reader.nextKey() {
      switch String(decoding: key.text, as: UTF8.self) {
      case "version": try parseVersion()
      case "capabilities": capabilities = try parseCapabilities()
      default: try skip(key, known: ["version", "capabilities"])
      }
    }
    try reader.end()
    guard let capabilities else { throw missing("capabilities", of: "manifest", at: start) }
    return capabilities
  }

  private mutating func parseVersion() throws(ConfigurationError) {
    let version = try text(of: "version", expected: "\"\(Self.version)\"")
    if !version.text.elementsEqual(Self.version.utf8) {
      let message = "\"version\" is \(quoted(version.text)), expected \"\(Self.version)\""
      throw ConfigurationError(location: version.location, message: message)
    }
  }

  private mutating func parseCapabilities() throws(ConfigurationError) -> [ServiceManifest.Capability] {
    try openArray("capabilities", of: "capabilities")
    var capabilities: [ServiceManifest.Capability] = []
    while try reader.nextElement() { capabilities.append(try parseCapability()) }
    return capabilities
  }

  private mutating func parseCapability() throws(ConfigurationError) -> ServiceManifest.Capability {
    let start = try openObject("capability")
    var name: [UInt8]?
    var gateways: [ServiceManifest.Gateway]?
    while let key = try reader.nextKey() {
      switch String(decoding: key.text, as: UTF8.self) {
      case "name": name = try filledText(of: "name", expected: "the name of a capability")
      case "gateways": gateways = try parseGateways()
      default: try skip(key, known: ["name", "gateways"])
      }
    }
    guard let name else { throw missing("name", of: "capability", at: start) }
    guard let gateways else { throw missing("gateways", of: "capability", at: start) }
    return ServiceManifest.Capability(name: String(decoding: name, as: UTF8.self), location: start, gateways: gateways)
  }

  private mutating func parseGateways() throws(ConfigurationError) -> [ServiceManifest.Gateway] {
    try openArray("gateways", of: "gateways")
    var gateways: [ServiceManifest.Gateway] = []
    while try reader.nextElement() { gateways.append(try parseGateway()) }
    return gateways
  }

  /// The keys of a gateway come in any order, and what `config` has to be depends on `id`.
  private mutating func parseGateway() throws(ConfigurationError) -> ServiceManifest.Gateway {
    let start = try openObject("gateway")
    var id: [UInt8]?
    var configuration: JSONReader?
    while let key = try reader.nextKey() {
      switch String(decoding: key.text, as: UTF8.self) {
      case "id": id = try filledText(of: "id", expected: "the name of a gateway, such as \"dbus\"")
      case "config":
        configuration = reader
        try reader.skipValue()
      default: try skip(key, known: ["id", "config"])
      }
    }
    guard let id else { throw missing("id", of: "gateway", at: start) }
    let name = String(decoding: id, as: UTF8.self)
    if name != ServiceManifest.gatewayID { return ServiceManifest.Gateway(id: name, location: start, document: nil) }
    guard let configuration else { throw missing("config", of: "gateway", at: start) }
    var parser = DocumentParser(reader: configuration, dialect: .native)
    try parser.parseDocuments()
    warnings += parser.document.warnings
    return ServiceManifest.Gateway(id: name, location: start, document: parser.document)
  }

  // MARK: Parts

  private mutating func openObject(_ what: String) throws(ConfigurationError) -> SourceLocation {
    let kind = try reader.peek(expected: "an object")
    let start = reader.location
    if kind != .object { throw ConfigurationError(location: start, message: "\(what) is \(kind.rawValue), expected an object") }
    try reader.open()
    return start
  }

  private mutating func openArray(_ key: String, of what: String) throws(ConfigurationError) {
    let kind = try reader.peek()
    if kind != .array {
      throw reader.error(at: reader.offset, "\"\(key)\" is \(kind.rawValue), expected an array of \(what)")
    }
    try reader.open()
  }

  private mutating func text(
    of key: String, expected: String
  ) throws(ConfigurationError) -> (text: [UInt8], location: SourceLocation) {
    let kind = try reader.peek()
    let start = reader.location
    if kind != .string {
      throw ConfigurationError(location: start, message: "\"\(key)\" is \(kind.rawValue), expected \(expected)")
    }
    return (try reader.string(), start)
  }

  private mutating func filledText(of key: String, expected: String) throws(ConfigurationError) -> [UInt8] {
    let (text, location) = try text(of: key, expected: expected)
    if text.isEmpty { throw ConfigurationError(location: location, message: "\"\(key)\" is \"\", expected \(expected)") }
    return text
  }

  private func missing(_ key: String, of what: String, at location: SourceLocation) -> ConfigurationError {
    ConfigurationError(location: location, message: "\(what) has no \"\(key)\", expected that key")
  }

  /// Passes over what a manifest may say beyond what it must.
  private mutating func skip(
    _ key: (text: [UInt8], location: SourceLocation), known: [String]
  ) throws(ConfigurationError) {
    let expected = nearest(to: key.text, among: known).map { "\"\($0)\"" } ?? known.map { "\"\($0)\"" }.joined(separator: " or ")
    warnings.append(
      ConfigurationWarning(location: key.location, message: "unknown key \(quoted(key.text)) is ignored, expected \(expected)"))
    try reader.skipValue()
  }
}
