// `busgatectl status`: what a running gate does.

import ArgumentParser
import GateServer
import PolicyTools

/// `busgatectl status SOCKET`.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "What a running gate does: its gates, its connections, what was allowed and denied.",
    discussion: "Exit status: 0 told, 71 the gate could not be asked, or refused.")

  @Argument(help: "The socket of busgate run --control.", completion: .file()) var socket: String
  @Flag(help: "The gate's answer, one JSON object.") var json = false

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      let (text, answer) = try ControlSocket.ask("status", at: socket)
      if json {
        Console.write(String(decoding: text, as: UTF8.self), to: 1)
      } else {
        console.print(PlainText.onLines(StatusPrinter.text(answer)))
      }
    }
  }
}
