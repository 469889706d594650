// The operator's tool. This file is its table of contents: one file for each command. What the commands know about policies is in
// PolicyTools; what they have in common at the command line is in Console and InputFile.

import ArgumentParser
import GatePolicy
import GateServer

/// `busgatectl`: asks about policies what the sidecar would answer.
@main
struct Busgatectl: ParsableCommand {
  static let version = Release.version

  /// In the order of the help.
  static let commands: [any ParsableCommand.Type] = [
    CheckCommand.self,
    ExplainCommand.self,
    DiffCommand.self,
    LearnCommand.self,
    ManifestCommand.self,
    StatusCommand.self,
    PolicyCommand.self,
    ReloadCommand.self,
  ]

  static let configuration = CommandConfiguration(
    commandName: "busgatectl",
    abstract: "Checks, explains and compares the policies of busgate.",
    discussion: """
      Policies are compiled and asked by the same code as in the sidecar, so that the two cannot disagree.

      Exit status: 0 done, 1 found something (see each command), 2 found nothing, but could not rule it out \
      (diff), 64 usage, 65 bad input, 71 system error.
      """,
    version: "busgatectl \(version)",
    subcommands: commands)

  static func main() {
    let words = Array(CommandLine.arguments.dropFirst())
    let names = commands.map { $0._commandName } + ["help"]
    guard let word = words.first else { refuse("no command") }
    if !word.hasPrefix("-") && !names.contains(word) {
      refuse("unknown command \"\(word)\"", nearest(to: Array(word.utf8), among: names))
    }
    var command: any ParsableCommand
    do { command = try parseAsRoot(words) } catch { exit(withError: error) }
    do { try command.run() } catch { end(type(of: command), error) }
  }

  /// Ends as ArgumentParser does, but shows the usage of the command where it finds out only as it runs what is wrong with its command line.
  private static func end(_ command: any ParsableCommand.Type, _ error: any Error) -> Never {
    guard let error = error as? ValidationError else { exit(withError: error) }
    let usage = usageString(for: command)
    let words = usage.split(separator: " ").prefix { !$0.hasPrefix("<") && !$0.hasPrefix("[") && !$0.hasPrefix("-") }
    Console().printError(
      "Error: \(error.message)\nUsage: \(usage)\n  See '\(words.joined(separator: " ")) --help' for more information.")
    exit(withError: ExitCode.usage)
  }

  /// Says what was expected, and ends.
  private static func refuse(_ text: String, _ meant: String? = nil) -> Never {
    let names = commands.map { $0._commandName }
    let expected = meant ?? "\(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")"
    Console().printError("busgatectl: \(text), expected \(expected); busgatectl --help lists the commands")
    exit(withError: ExitCode.usage)
  }
}
