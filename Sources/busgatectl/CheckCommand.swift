// `busgatectl check`: what the sidecar would refuse, and what it would accept although it is hardly meant.

import ArgumentParser
import GatePolicy

/// `busgatectl check FILE…`.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Looks for errors and for what is hardly meant.")

  @Argument(help: "Gateway configurations; - is standard input.", completion: .file(extensions: ["json"]))
  var files: [String]

  func run() throws {
    let console = Console()
    var failed = false
    for file in files {
      do {
        let input = try InputFile(file, expected: "a gateway configuration")
        _ = try GatewayDocument.parse(input.bytes, file: input.name)
      } catch {
        console.printError("\(error)")
        failed = true
      }
    }
    if failed { throw ExitCode.badInput }
  }
}
