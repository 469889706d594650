// `busgate reload`: has a running gate read its configuration again. What systemd's ExecReload= runs, and images that have nothing else.

import GateServer

/// `busgate reload CONTROL`.
enum ReloadCommand {
  static let usage = """
    usage: busgate reload CONTROL

    Has the gate whose socket --control made read its files again, and waits until
    the new rules are in force.

    Exit status: 0 they are, 64 usage, 65 refused (the errors are on standard error,
    the old rules stay), 71 the gate could not be asked.
    """

  static func perform(_ arguments: [String]) -> Int32 {
    if arguments.contains("--help") || arguments.contains("-h") {
      print(usage)
      return ExitStatus.success
    }
    let path: String
    do throws(UsageError) { path = try self.path(arguments) } catch {
      printError("busgate reload: \(error)")
      return ExitStatus.usage
    }
    do throws(AdminCall.Failure) {
      switch try ReloadAnswer.ask(at: path) {
      case .done(let gates):
        print(ReloadAnswer.summary(gates))
        return ExitStatus.success
      case .refused(let errors):
        for error in errors { printError(error) }
        return ExitStatus.configuration
      case .unable(let text): throw AdminCall.Failure(description: "\(path): error: \(text)")
      }
    } catch {
      printError("\(error)")
      return ExitStatus.system
    }
  }

  /// What the arguments say: a path.
  static func path(_ arguments: [String]) throws(UsageError) -> String {
    guard arguments.count == 1, let path = arguments.first, !path.isEmpty, !path.hasPrefix("-") else {
      throw UsageError("expected one argument, the socket of busgate run --control; see busgate reload --help")
    }
    return path
  }
}
