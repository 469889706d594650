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

      Exit status: 0 done, 1 found something (see each command), 64 usage, 65 bad input, 71 system error.
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
    main(words)
  }

  /// Says what was expected, and ends.
  private static func refuse(_ text: String, _ meant: String? = nil) -> Never {
    let names = commands.map { $0._commandName }
    let expected = meant ?? "\(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")"
    Console().printError("busgatectl: \(text), expected \(expected); busgatectl --help lists the commands")
    exit(withError: ExitCode.usage)
  }
}
