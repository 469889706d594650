// Configuration files and service manifests: read, parsed and put together, in order.

import GatePolicy
import GateServer

/// The rules of some files.
struct PolicyFiles {
  private(set) var session: [GatewayRule] = []
  private(set) var system: [GatewayRule] = []
  /// The names of all files, for either bus; nil if none has any.
  private(set) var names: NameRules?
  /// What whoever started the gate should know about the files.
  private(set) var notes: [String] = []

  /// Reads what `options` name; the first thing that is wrong refuses all of it. A pipe can be read once: `again` refuses it, and
  /// whatever else might not answer while clients wait.
  static func read(_ options: RunOptions, again: Bool = false) throws(ConfigurationFailure) -> PolicyFiles {
    var all = PolicyFiles()
    for file in options.configurations {
      let text = try ConfigurationFile.contents(of: file, expected: "a gateway configuration", mustBeRegular: again)
      do throws(ConfigurationError) {
        all.add(try GatewayDocument.parse(text, file: file))
      } catch {
        throw ConfigurationFailure(description: "\(error)")
      }
    }
    try all.add(options.manifests, again: again)
    return all
  }

  private mutating func add(_ options: ManifestOptions, again: Bool) throws(ConfigurationFailure) {
    if options.isEmpty { return }
    let manifests = ManifestSet(
      defaults: try ConfigurationFile.manifests(at: options.defaultPaths, mustBeRegular: again),
      others: try ConfigurationFile.manifests(at: options.paths, mustBeRegular: again))
    let selection: ManifestSet.Selection
    do throws(ManifestSet.MissingCapability) {
      selection = try manifests.select(options.capabilities)
    } catch {
      throw ConfigurationFailure(
        description: "\((options.defaultPaths + options.paths).joined(separator: ", ")): error: \(error)")
    }
    for document in selection.documents { add(document) }
    for (capability, gateway) in selection.skipped {
      notes.append(
        "\(gateway.location): gateway \"\(gateway.id)\" of capability \"\(capability)\" is skipped, only \"dbus\" is applied here"
      )
    }
  }

  /// Puts another document's rules behind these.
  mutating func add(_ document: GatewayDocument) {
    session += document.sessionRules
    system += document.systemRules
    if let added = document.names {
      var all = names ?? NameRules()
      all.add(added)
      names = all
    }
  }

  func policy(for bus: BusKind) -> Policy {
    switch bus {
    case .session: Policy(rules: session, names: names, busName: bus.policyName)
    case .system: Policy(rules: system, names: names, busName: bus.policyName)
    }
  }
}
