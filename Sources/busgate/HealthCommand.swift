// `busgate healthz`: how a running gate is, for podman's HealthCmd=, Kubernetes' exec probes, and images that have nothing else.

import GateServer

/// `busgate healthz METRICS [--gate NAME]`.
struct HealthCommand {
  static let usage = """
    usage: busgate healthz METRICS [--gate NAME]

    Asks the gate whose socket --metrics made how it is, and prints a line for each
    gate, or for the one that is named.

    Exit status: 0 well, 1 a socket cannot be had or a bus cannot be reached, 64
    usage, or no such gate, 71 it could not be asked.
    """

  /// The socket.
  let path: String
  /// A label; nil: all gates.
  let gate: String?

  /// What the arguments say.
  init(_ arguments: [String]) throws(UsageError) {
    var paths: [String] = []
    var gate: String?
    var rest = arguments[...]
    while let word = rest.popFirst() {
      let flag = FlagWord(word)
      if flag.name == "--gate" {
        if gate != nil { throw UsageError("--gate given twice, expected one gate") }
        guard let label = flag.value ?? rest.popFirst(), !label.isEmpty else {
          throw UsageError("--gate: no value, expected the label of a gate")
        }
        gate = label
      } else if word.isEmpty || word.hasPrefix("-") {
        throw UsageError("unknown argument \"\(word)\", expected METRICS [--gate NAME]; see busgate healthz --help")
      } else {
        paths.append(word)
      }
    }
    if paths.count != 1 { throw UsageError("expected one path, the socket of busgate run --metrics; see busgate healthz --help") }
    (path, self.gate) = (paths[0], gate)
  }

  static func perform(_ arguments: [String]) -> Int32 {
    if arguments.contains("--help") || arguments.contains("-h") {
      print(usage)
      return ExitStatus.success
    }
    do throws(UsageError) { return try HealthCommand(arguments).ask() } catch {
      printError("busgate healthz: \(error)")
      return ExitStatus.usage
    }
  }

  private func ask() -> Int32 {
    do throws(AdminCall.Failure) {
      switch try HealthAnswer.ask(at: path, gate: gate) {
      case .well(let lines):
        print(lines, terminator: "")
        return ExitStatus.success
      case .ill(let lines):
        print(lines, terminator: "")
        return ExitStatus.unwell
      case .noSuchGate(let text):
        printError("busgate healthz: \(text.prefix { $0 != "\n" })")
        return ExitStatus.usage
      }
    } catch {
      printError("\(error)")
      return ExitStatus.system
    }
  }
}
