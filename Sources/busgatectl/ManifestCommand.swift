// `busgatectl manifest list|show|merge`: what the capabilities of a host are, and what they come to.

import ArgumentParser
import GatePolicy
import GateServer
import PolicyTools

/// `busgatectl manifest …`.
struct ManifestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manifest", abstract: "Service manifests and their capabilities.",
    subcommands: [ManifestListCommand.self, ManifestShowCommand.self, ManifestMergeCommand.self])
}

/// `busgatectl manifest list`.
struct ManifestListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists capabilities, and where each is defined.")

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

/// `busgatectl manifest show`.
struct ManifestShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Shows what applies for a container: gateways, and those that are skipped.")

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

/// `busgatectl manifest merge`.
struct ManifestMergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Writes the gateway configuration that the capabilities come to.")

  @OptionGroup var source: ManifestSource

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      if source.isEmpty { throw ValidationError("no manifests, expected --manifest-dir or --default-manifest-dir") }
      let selection = try source.select()
      var text = ConfigurationText()
      for document in selection.documents { text.add(document) { "\($0.location.file):\($0.location.line)" } }
      Console.write(text.text, to: 1)
      for (capability, gateway) in selection.skipped {
        console.printError(
          "\(gateway.location): warning: gateway \"\(gateway.id)\" of capability \"\(capability)\" is skipped, expected \"dbus\"")
      }
    }
  }
}
