// `busgatectl diff`: what a new policy allows that the old one does not, and the other way round.

import ArgumentParser
import GatePolicy
import GateServer
import PolicyTools

/// `busgatectl diff OLD NEW`.
struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "Says what a new policy allows that the old one does not, and the reverse.",
    discussion: """
      Not the texts are compared but what they mean: the sets of legal messages that the rules let through. For each rule, \
      method pattern and sort of message about which the two disagree there is one message as an example: \
      + newly allowed, - no longer allowed. Each was put to both compiled policies. Who is at the other end counts only by its \
      well-known names.

      Exit status: 0 the same, 1 different, 2 no difference found, but some rules together are too hard to compare, 65 bad input.
      """)

  @Argument(help: "The policy before; - is standard input.", completion: .file(extensions: ["json"]))
  var old: String

  @Argument(help: "The policy after; - is standard input.", completion: .file(extensions: ["json"]))
  var new: String

  @Flag(help: "One JSON object on standard output.")
  var json = false

  func validate() throws {
    if old == "-" && new == "-" { throw ValidationError("standard input is given twice, expected one file at least") }
  }

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      let (old, new) = (try load(self.old), try load(self.new))
      var differences: [DiffPrinter.Difference] = []
      var undecided: [DiffPrinter.Undecided] = []
      for bus in Bus.allCases {
        let rules = (old: old.policy(for: bus).rules, new: new.policy(for: bus).rules)
        var bar = ProgressBar(
          "comparing \(bus.rawValue)", total: 1000, atLeast: rules.old.count + rules.new.count > 2000 ? 0 : 1001, console)
        let comparison = PolicyComparison(from: rules.old, to: rules.new) { bar.advance(to: Int($0 * 1000)) }
        bar.finish()
        differences += comparison.differences.map { DiffPrinter.Difference(bus: bus, difference: $0) }
        undecided += comparison.undecided.map { DiffPrinter.Undecided(bus: bus, rule: $0) }
      }
      let names = NameDifference.differences(from: old.names, to: new.names)
      let printer = DiffPrinter(console: console, differences: differences, names: names, undecided: undecided)
      if json { console.print(printer.json()) } else { printer.print(old: self.old, new: self.new) }
      if !differences.isEmpty || !names.isEmpty { throw ExitCode.found }
      if !undecided.isEmpty { throw ExitCode.undecided }
    }
  }

  private func load(_ file: String) throws -> LoadedPolicy {
    var policy = LoadedPolicy()
    try policy.add(file: file)
    if let error = policy.findings.first(where: { $0.severity == .error }) {
      throw ConfigurationFailure(description: "\(error.location): error: \(error.message)")
    }
    return policy
  }
}
