// Which policy a command is about: the same flags as those of the sidecar, so that a command line can be taken over.

import ArgumentParser
import GatePolicy
import GateServer
import PolicyTools

/// Configurations and manifests on a command line.
struct PolicySource: ParsableArguments {
  @Argument(help: "Gateway configurations; - is standard input.", completion: .file(extensions: ["json"]))
  var files: [String] = []

  @OptionGroup var manifests: ManifestSource

  /// Reads all of it; the first thing that is wrong ends the command, as it ends the sidecar.
  func load() throws -> LoadedPolicy {
    if files.isEmpty && manifests.isEmpty {
      throw ValidationError("no configuration, expected at least one file, or --manifest-dir")
    }
    var policy = LoadedPolicy()
    for file in files {
      try policy.add(file: file)
      if let error = policy.findings.first(where: { $0.severity == .error }) {
        throw ConfigurationFailure(description: "\(error.location): error: \(error.message)")
      }
    }
    for document in try manifests.select().documents { policy.add(document) }
    return policy
  }
}
