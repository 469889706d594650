// `busgatectl manifest list`: which capabilities there are.

import ArgumentParser
import PolicyTools

/// `busgatectl manifest list`.
struct ManifestListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists capabilities, and where each is defined.",
    discussion: "Exit status: 0 listed, 65 a manifest cannot be used.")

  @OptionGroup var source: ManifestSource
  @Flag(help: "One JSON object on standard output.") var json = false

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      if source.isEmpty { throw ValidationError("no manifests, expected --manifest-dir or --default-manifest-dir") }
      if !source.capability.isEmpty { throw ValidationError("--capability: every capability is listed, expected manifest show") }
      let set = try source.load()
      let all = set.defaults.flatMap(\.capabilities).map { ($0, true) } + set.others.flatMap(\.capabilities).map { ($0, false) }
      console.print(json ? ManifestPrinter.json(all) : ManifestPrinter.list(all))
    }
  }
}
