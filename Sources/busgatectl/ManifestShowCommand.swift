// `busgatectl manifest show`: what applies for a container.

import ArgumentParser
import PolicyTools

/// `busgatectl manifest show`.
struct ManifestShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Shows what applies for a container: gateways, and those that are skipped.",
    discussion: "Exit status: 0 shown, 65 a manifest cannot be used, or has no such capability.")

  @OptionGroup var source: ManifestSource
  @Flag(help: "One JSON object on standard output.") var json = false

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      if source.isEmpty { throw ValidationError("no manifests, expected --manifest-dir or --default-manifest-dir") }
      let selection = try source.select()
      let always = Set(try source.load().defaults.flatMap(\.capabilities).map { "\($0.location)" })
      let applied = selection.capabilities.map { ($0, always.contains("\($0.location)")) }
      console.print(json ? ManifestPrinter.json(applied) : ManifestPrinter.show(applied))
    }
  }
}
