// `busgatectl explain`: what the sidecar does with a message, which rule decides, and what would let it through.

import ArgumentParser
import GatePolicy
import GateServer
import GateSession
import PolicyTools

/// `busgatectl explain FILE… --direction … --interface … --path … --member …`.
struct ExplainCommand: ParsableCommand {
  /// What a verdict can be.
  enum Expectation: String, CaseIterable, ExpressibleByArgument {
    case allow, deny
  }

  /// Bytes of the log that are explained: each line is explained by itself, for somebody who reads it.
  private static let logBytesMax = 16 * 1024 * 1024

  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "Says what happens to a message, and why.",
    discussion: """
      The message comes from flags, from a file with --message, or, without either, from the decision log on standard input: lines of \
      text or JSON, or the journal's entries (`journalctl -o json`, `-o export`). Without \
      --json what several lines have in common is explained once. Answers that were waited for need no rule, and are passed over. A call that goes to no name is for the bus itself.

      What is suggested for a denial is never wider than the rule that came nearest, and asks for a name wherever one is known: without \
      --name it says to which name the rule applies, and for what every service has nothing is suggested. Where the bus is asked about a \
      name, "names" are suggested with the one that --arg0 says.

      Exit status: 0 explained, 1 the verdict is not the one of --expect, 65 bad input.
      """)

  @OptionGroup var source: PolicySource
  @OptionGroup(title: "The message") var flags: MessageQueryFlags

  @Option(help: ArgumentHelp("A saved message: its bytes as they went over the socket.", valueName: "file"), completion: .file())
  var message: String?

  @Option(help: "Which array of the configuration; if not given, the one that has rules, or the log's gate.")
  var bus: Bus?

  @Option(help: "The verdict that is expected: exit 1 if it is another one.")
  var expect: Expectation?

  @Flag(help: "One JSON object a message, on standard output.")
  var json = false

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      let policy = try source.load()
      var isExpected = true
      // A log has the same again and again: a count follows the first, and a program comes back. People are told once, and how often.
      var told: [(explanation: Explanation, bus: Bus, count: Int)] = []
      var places: [String: Int] = [:]
      defer {
        for one in told {
          console.print(ExplanationPrinter(console: console, bus: one.bus).text(one.explanation, times: one.count))
        }
      }
      func tell(_ explanation: Explanation, _ bus: Bus, times: Int = 1) {
        let printer = ExplanationPrinter(console: console, bus: bus)
        if json {
          console.print(printer.json(explanation))
        } else if let place = places[printer.text(explanation)] {
          told[place].count += times
        } else {
          places[printer.text(explanation)] = told.count
          told.append((explanation, bus, times))
        }
        isExpected = isExpected && (expect.map { ($0 == .allow) == explanation.verdict.passes } ?? true)
      }
      if let message {
        let saved = try SavedMessage(message, direction: flags.direction)
        let bus = try chosenBus(policy, gate: "")
        tell(try Explanation(saved.bytes, saved.query, by: policy.policy(for: bus)), bus)
      } else if !flags.isEmpty {
        let bus = try chosenBus(policy, gate: "")
        tell(try Explanation(try flags.query(), by: policy.policy(for: bus)), bus)
      } else {
        try explainLog(policy, console, tell)
      }
      if !isExpected { throw ExitCode.found }
    }
  }

  private func explainLog(_ policy: LoadedPolicy, _ console: Console, _ tell: (Explanation, Bus, Int) -> Void) throws {
    if source.files.contains("-") {
      throw ValidationError("standard input cannot be configuration and log, expected --interface, --path and --member")
    }
    let input = try InputFile("-", expected: "lines of the decision log")
    if input.bytes.count > Self.logBytesMax {
      throw ConfigurationFailure(
        description: "standard input: error: too long, expected at most \(Self.logBytesMax) bytes of the log")
    }
    var reader = DecisionLogReader(keepsDecisions: true)
    reader.begin(file: input.name)
    reader.feed(input.bytes[...])
    reader.end()
    if let line = reader.shownMessage {
      throw JournalMessage.failure(line, "busgatectl explain \(source.files.joined(separator: " "))")
    }
    var isReadable = reader.unreadableCount == 0
    var answers = 0
    for (line, decision) in reader.decisions {
      // What it answers came before, so that the sidecar knew what is not known here.
      if decision.isAnswer, let reason = Verdict.Reason(word: decision.reason), !reason.refuses {
        answers += decision.count
        continue
      }
      do {
        let bus = try chosenBus(policy, gate: decision.gate)
        tell(try Explanation(MessageQuery(decision), by: policy.policy(for: bus)), bus, decision.count)
      } catch let error as MessageQueryError {
        console.printError("\(input.name):\(line):1: error: cannot be explained: \(error)")
        isReadable = false
      }
    }
    for line in reader.unreadable { console.printError("\(line)") }
    if answers > 0 {
      console.printError(
        "\(input.name): answers to what was forwarded, or asked by the gate, need no rule: \(answers) are not explained")
    }
    let untold = reader.unreadableCount - reader.unreadable.count
    if untold > 0 { console.printError("\(input.name): error: \(untold) more lines cannot be read") }
    if !isReadable { throw ExitCode.badInput }
    if reader.decisions.isEmpty {
      throw ConfigurationFailure(
        description: "standard input: error: no decision, expected lines of the decision log, or --path and --member")
    }
  }

  private func chosenBus(_ policy: LoadedPolicy, gate: String) throws -> Bus {
    if let bus = bus ?? Bus(rawValue: gate) { return bus }
    if policy.session.isEmpty != policy.system.isEmpty { return policy.session.isEmpty ? .system : .session }
    if policy.session.isEmpty { return .session }
    throw ValidationError("there are rules for both buses, expected --bus session or --bus system")
  }
}
