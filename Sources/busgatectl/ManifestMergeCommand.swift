// `busgatectl manifest merge`: the configuration that capabilities come to.

import ArgumentParser
import PolicyTools

/// `busgatectl manifest merge`.
struct ManifestMergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Writes the gateway configuration that the capabilities come to.",
    discussion: "Exit status: 0 written, 65 a manifest cannot be used, or has no such capability.")

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
