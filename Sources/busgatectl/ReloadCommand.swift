// `busgatectl reload`: has a running gate read its configuration again.

import ArgumentParser
import GateServer

/// `busgatectl reload SOCKET`.
struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload", abstract: "Has a running gate read its configuration again, and waits for that.",
    discussion: """
      What is wrong with the files is told on standard error; then the old rules stay in force.

      Exit status: 0 the new rules are in force, 65 refused, 71 the gate could not be asked.
      """)

  @Argument(help: "The socket of busgate run --control.", completion: .file()) var socket: String

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      switch try ReloadAnswer.ask(at: socket) {
      case .done(let gates): console.print(ReloadAnswer.summary(gates))
      case .refused(let errors):
        for error in errors { console.printErrorLine(error) }
        throw ExitCode.badInput
      case .unable(let text): throw AdminCall.Failure(description: "\(socket): error: \(text)")
      }
    }
  }
}
