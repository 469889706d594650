// The manifests of a host, and what they come to for one container: the capabilities that always apply, and those that were asked for.
// Merging and removing duplicates is not done, on purpose: what is in force can be found again in the files.

/// Manifests, by whether their capabilities apply by themselves.
///
/// Source: contrib/OPERATORS.md, "Service manifests".
public struct ManifestSet: Sendable {
  /// What applies for a container.
  public struct Selection: Sendable {
    /// The documents, in the order in which they are put together.
    public internal(set) var documents: [GatewayDocument] = []
    /// The capabilities that apply, in order.
    public internal(set) var capabilities: [ServiceManifest.Capability] = []
    /// The gateways of these capabilities that are not for us.
    public internal(set) var skipped: [(capability: String, gateway: ServiceManifest.Gateway)] = []

    fileprivate mutating func add(_ capability: ServiceManifest.Capability) {
      capabilities.append(capability)
      for gateway in capability.gateways {
        if let document = gateway.document { documents.append(document) } else { skipped.append((capability.name, gateway)) }
      }
    }
  }

  /// A capability that was asked for and that nobody defines.
  public struct MissingCapability: Error, Sendable, Equatable, CustomStringConvertible {
    /// Its name.
    public let name: String
    /// Names that are defined, sorted.
    public let known: [String]

    /// What is wrong and what was expected.
    public var description: String {
      let asked = quoted(Array(name.utf8))
      if known.isEmpty {
        return "capability \(asked) is in no manifest, expected one that defines it; there are no capabilities at all"
      }
      if let meant = nearest(to: Array(name.utf8), among: known) {
        return "capability \(asked) is in no manifest, expected \(quoted(Array(meant.utf8)))"
      }
      let shown = known.prefix(20).map { quoted(Array($0.utf8)) }.joined(separator: ", ")
      return "capability \(asked) is in no manifest, expected one of \(shown)\(known.count > 20 ? ", …" : "")"
    }
  }

  /// Manifests whose capabilities always apply.
  public var defaults: [ServiceManifest]
  /// Manifests whose capabilities apply when asked for.
  public var others: [ServiceManifest]

  /// The set of these manifests, in order.
  public init(defaults: [ServiceManifest] = [], others: [ServiceManifest] = []) {
    self.defaults = defaults
    self.others = others
  }

  /// What applies: every default, then `names` in order, each from all manifests that define it.
  ///
  /// A name that is asked for twice counts once. Asking for one that applies by default adds only what other manifests define for it.
  /// - Throws: the first name that no manifest defines. A half-applied capability leaves applications in a bad state, so nothing applies.
  public func select(_ names: [String]) throws(MissingCapability) -> Selection {
    var selection = Selection()
    for manifest in defaults {
      for capability in manifest.capabilities { selection.add(capability) }
    }
    let always = Set(selection.capabilities.map(\.name))
    var done: Set<String> = []
    for name in names where done.insert(name).inserted {
      let found = others.flatMap { $0.capabilities.filter { $0.name == name } }
      if found.isEmpty && !always.contains(name) { throw MissingCapability(name: name, known: knownNames) }
      for capability in found { selection.add(capability) }
    }
    return selection
  }

  /// The names of all capabilities, sorted.
  public var knownNames: [String] { Set((defaults + others).flatMap { $0.capabilities.map(\.name) }).sorted() }
}
