// A service manifest: capabilities by name, and for each what its gateways are to be configured with. The format is
// SoftwareContainer's; only gateways called `dbus` are ours, the others are named and not looked into. Parsed from bytes; which files
// there are, and which capabilities apply, is ManifestSet's and the caller's.

/// The capabilities of one manifest.
///
/// Source: contrib/OPERATORS.md, "Service manifests".
public struct ServiceManifest: Sendable {
  /// One gateway of a capability.
  public struct Gateway: Sendable {
    /// Its kind: `dbus`, `network`, `wayland`, …
    public let id: String
    /// Where it begins.
    public let location: SourceLocation
    /// What it says, if it is a gateway of D-Bus.
    public let document: GatewayDocument?
  }

  /// One capability.
  public struct Capability: Sendable {
    /// Its name, as `--capability` asks for it.
    public let name: String
    /// Where it begins.
    public let location: SourceLocation
    /// Its gateways, in order.
    public let gateways: [Gateway]
  }

  /// The id of the gateways that are for us.
  public static let gatewayID = "dbus"

  /// The manifest's name, as it was given to the parser.
  public let file: String
  /// In order of the manifest; a name may come more than once.
  public let capabilities: [Capability]
  /// What was accepted, but looks like a mistake, in order of the manifest.
  public let warnings: [ConfigurationWarning]

  /// The manifest that `text` spells: one JSON object.
  ///
  /// Reads no file and keeps nothing of `text`. Takes linear time.
  /// - Parameters:
  ///   - text: the manifest, UTF-8, at most 16 MiB.
  ///   - file: its name, for the locations.
  /// - Throws: the first thing that is wrong. Nothing of the manifest may then be used.
  public static func parse(_ text: [UInt8], file: String) throws(ConfigurationError) -> ServiceManifest {
    var parser = ManifestParser(reader: try JSONReader(text, file: file, firstLine: 1))
    let capabilities = try parser.parse()
    return ServiceManifest(file: file, capabilities: capabilities, warnings: parser.warnings)
  }
}
