// `busgatectl manifest list|show|merge`: what the capabilities of a host are, and what they come to. Each has its own file.

import ArgumentParser

/// `busgatectl manifest …`.
struct ManifestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manifest", abstract: "Service manifests and their capabilities.",
    subcommands: [ManifestListCommand.self, ManifestShowCommand.self, ManifestMergeCommand.self])
}
