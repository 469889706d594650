// Which service manifests a command is about: the same flags as those of the sidecar.

import ArgumentParser
import GatePolicy
import GateServer
import PolicyTools

/// Service manifests on a command line.
struct ManifestSource: ParsableArguments {
  @Option(
    help: ArgumentHelp("Directory of service manifests, or one manifest: capabilities that may be asked for.", valueName: "path"),
    completion: .file())
  var manifestDir: [String] = []

  @Option(help: ArgumentHelp("The same, but its capabilities always apply.", valueName: "path"), completion: .file())
  var defaultManifestDir: [String] = []

  @Option(help: ArgumentHelp("Apply this capability of the manifests.", valueName: "name"))
  var capability: [String] = []

  var isEmpty: Bool { manifestDir.isEmpty && defaultManifestDir.isEmpty }

  /// What the manifests and capabilities come to.
  func select() throws -> ManifestSet.Selection {
    if let name = capability.first, isEmpty {
      throw ValidationError("--capability \(name): no manifests, expected --manifest-dir or --default-manifest-dir with it")
    }
    do {
      return try load().select(capability)
    } catch let error as ManifestSet.MissingCapability {
      throw ConfigurationFailure(description: "\((defaultManifestDir + manifestDir).joined(separator: ", ")): error: \(error)")
    }
  }

  /// The manifests.
  func load() throws(ConfigurationFailure) -> ManifestSet {
    ManifestSet(
      defaults: try ConfigurationFile.manifests(at: defaultManifestDir), others: try ConfigurationFile.manifests(at: manifestDir))
  }
}
