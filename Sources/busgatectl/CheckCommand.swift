// `busgatectl check`: what the sidecar would refuse, and what it would accept although it is hardly meant.

import ArgumentParser
import GatePolicy
import GateServer
import PolicyTools

/// `busgatectl check FILE…`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Looks for errors, and for what is hardly meant.",
    discussion: """
      Several files are looked at together, as the sidecar puts them together. Service manifests are taken with all of their \
      capabilities. What is found beyond errors:

      \(Lint.allCases.map { "  \($0.rawValue): \($0.meaning)" }.joined(separator: "\n"))

      Exit status: 0 in order, 1 warnings with --strict, 65 errors.
      """)

  @Argument(help: "Gateway configurations or service manifests; - is standard input.", completion: .file(extensions: ["json"]))
  var files: [String]

  @Option(
    help: "The bus that the documents are for: rules for the other one are not looked at, and none for this one is a warning.")
  var bus: Bus?

  @Flag(help: "Warnings count: exit 1 if there are any.")
  var strict = false

  @Flag(help: "One JSON object on standard output instead of lines on standard error.")
  var json = false

  func run() throws {
    let console = Console()
    var policy = LoadedPolicy()
    var unreadable = false
    for file in files {
      do {
        try policy.add(file: file)
      } catch {
        console.printError("\(error)")
        unreadable = true
      }
    }
    var findings = policy.findings
    // What is not there is not looked at, and would only seem to be missing.
    if !unreadable && !findings.contains(where: { $0.severity == .error }) { findings += lint(policy, console) }
    let printer = FindingPrinter(console: console, texts: policy.texts)
    if json { console.print(printer.json(findings, files: files)) } else { printer.print(findings) }
    let errors = findings.count { $0.severity == .error }
    let warnings = findings.count - errors
    if !json && !unreadable && findings.isEmpty { console.print(summary(policy)) }
    if unreadable || errors > 0 { throw ExitCode.badInput }
    if strict && warnings > 0 { throw ExitCode.found }
  }

  private func lint(_ policy: LoadedPolicy, _ console: Console) -> [Finding] {
    let buses = bus.map { [$0] } ?? Bus.allCases
    let total = buses.reduce(0) { $0 + policy.rules(for: $1).count }
    var bar = ProgressBar("checking", total: total, atLeast: 2000, console)
    var findings = Linter.findings(in: policy.names)
    if let bus {
      let other: Bus = bus == .session ? .system : .session
      let start = SourceLocation(file: files.first == "-" ? "standard input" : files[0], line: 1, column: 1)
      let found = Linter.closedBus(
        policy.policy(for: bus), bus, otherCount: policy.rules(for: other).count, at: start)
      if let found { findings.append(found) }
    }
    var done = 0
    for bus in buses {
      var linter = Linter(policy.policy(for: bus), outline: policy.outline)
      findings += linter.run { bar.advance(to: done + $0) }
      done += policy.rules(for: bus).count
    }
    bar.finish()
    return findings
  }

  private func summary(_ policy: LoadedPolicy) -> String {
    func count(_ number: Int, _ word: String) -> String { "\(number) \(word)\(number == 1 ? "" : "s")" }
    return "\(count(files.count, "file")) in order: \(count(policy.session.count, "rule")) for the session bus, "
      + "\(policy.system.count) for the system bus"
  }
}
