// `busgatectl learn`: a configuration out of a decision log.

import ArgumentParser
import GatePolicy
import GateServer
import Glibc
import PolicyTools

/// `busgatectl learn LOG…`.
struct LearnCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "learn", abstract: "Makes a configuration out of a decision log taken with --mode audit.",
    discussion: """
      Reads what the sidecar writes as text or JSON, and what `journalctl -o json` and `-o export` make of its entries; \
      start the sidecar with --mode audit, and with --log all if it has rules already. What was allowed, or would have been but \
      for want of a rule, is allowed by the configuration, which goes to standard output; what is to be said about it goes to \
      standard error. What a rule denied, or only a rule that names it would open, is left out, and said.

      Rules have the "name" of the service wherever the log knows it: a call's DESTINATION, or name=, which --mode audit writes for \
      unique names. Interfaces that every service has (Properties, ObjectManager, Introspectable, Peer) are not learned of a peer without \
      a name, and StartServiceByName never: it needs no rule where one lets a call to the service pass. What is so left out is said, \
      and the status is 1.

      Interfaces and members are never generalised, paths only where several siblings are numbered or named alike; each such rule \
      says so in its comment. Calls without INTERFACE can only be let through by * as interface. Descriptors are not counted, since \
      lines that stand for several messages do not have them.

      Exit status: 0 all was learned, 1 some lines could not be read or some messages not learned, 65 a file cannot be read.
      """)

  @Argument(help: "Decision logs; - is standard input.", completion: .file())
  var logs: [String] = ["-"]

  @Option(
    help: ArgumentHelp("Which bus the gate of this label is for, if its label is not session or system.", valueName: "label=bus"))
  var gate: [String] = []

  @Option(
    help: ArgumentHelp("How many siblings of one shape become one pattern; 0: every path stays as it is.", valueName: "number"))
  var siblings = 3

  @Flag(help: "Learn also what was denied, by a rule or because only one that names it would open it.")
  var denied = false

  @Flag(help: "One JSON object on standard output: the configuration, and what is to be said about it.")
  var json = false

  func validate() throws {
    if siblings < 0 || siblings == 1 { throw ValidationError("--siblings \(siblings), expected 0 or a number from 2 on") }
    _ = try options()
  }

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      var reader = DecisionLogReader()
      for log in logs { try read(log, &reader, console) }
      if let line = reader.shownMessage { throw JournalMessage.failure(line, "busgatectl learn") }
      let policy = Learner.learn(from: reader.tally, try options())
      let printer = LearnPrinter(console: console, reader: reader, policy: policy)
      if json {
        console.print(printer.json())
      } else {
        Console.write(policy.configuration, to: STDOUT_FILENO)
        printer.printReport()
      }
      if !printer.isComplete { throw ExitCode.found }
    }
  }

  private func options() throws -> LearnOptions {
    var options = LearnOptions()
    options.siblingsMin = siblings == 0 ? nil : siblings
    options.learnsDenied = denied
    for assignment in gate {
      let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let bus = GatewayBus(rawValue: String(parts[1])) else {
        throw ValidationError("--gate \(assignment), expected LABEL=session or LABEL=system")
      }
      options.buses[String(parts[0])] = bus
    }
    return options
  }

  /// Bytes that are read at once. Untuned.
  private static let chunkBytes = 1 << 18
  /// Logs of fewer bytes are read before anybody has seen a bar.
  private static let barBytesMin = 1 << 25

  private func read(_ log: String, _ reader: inout DecisionLogReader, _ console: Console) throws {
    let name = log == "-" ? "standard input" : log
    if log == "-" { console.sayIfTerminalIsRead("a decision log") }
    let fd = log == "-" ? STDIN_FILENO : unsafe open(log, O_RDONLY | O_CLOEXEC)
    if fd < 0 { throw failure(name) }
    defer { if log != "-" { close(fd) } }
    var status = stat()
    let total = unsafe fstat(fd, &status) == 0 ? Int(status.st_size) : 0
    var bar = ProgressBar("reading \(name)", total: total, atLeast: Self.barBytesMin, console)
    defer { bar.finish() }
    reader.begin(file: name)
    var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
    var done = 0
    while true {
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(fd, $0.baseAddress!, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw failure(name) }
      if count == 0 { break }
      reader.feed(chunk[..<count])
      done += count
      bar.advance(to: done)
    }
    reader.end()
  }

  private func failure(_ name: String) -> ConfigurationFailure {
    let reason = unsafe String(cString: strerror(errno))
    return ConfigurationFailure(description: "\(name): error: cannot be read: \(reason), expected a decision log")
  }
}
