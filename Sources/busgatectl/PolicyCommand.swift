// `busgatectl policy`: which rules are in force in a running gate.

import ArgumentParser
import GatePolicy
import GateServer
import PolicyTools

/// `busgatectl policy SOCKET`.
struct PolicyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "policy", abstract: "The rules that are in force in a running gate, as a configuration.",
    discussion: """
      What is written for one gate can be given to the gate, to check and to explain again.

      Exit status: 0 written, 71 the gate could not be asked, or refused.
      """)

  @Argument(help: "The socket of busgate run --control.", completion: .file()) var socket: String
  @Option(help: ArgumentHelp("Only this gate.", valueName: "name")) var gate: String?
  @Flag(help: "The gate's answer, one JSON object.") var json = false

  func run() throws {
    let console = Console()
    try reportingFailures(console) {
      var request = JSONWriter()
      request.object { json in
        json.member("command", "policy")
        if let gate { json.member("gate", gate) }
      }
      let (text, answer) = try ControlSocket.ask(String(decoding: request.text, as: UTF8.self), at: socket)
      if json {
        Console.write(String(decoding: text, as: UTF8.self), to: 1)
        return
      }
      for gate in answer["gates"]?.elements ?? [] {
        if self.gate == nil { console.printErrorLine("gate \(gate["gate"]?.text ?? ""):") }
        let text = StatusPrinter.configuration(gate["configuration"] ?? .null)
        Console.write(console.isTerminal ? PlainText.onLines(text) : text, to: 1)
      }
    }
  }
}
