// Which of the programs in this one is meant: by the first word, or by the name it was started under.

import GatePolicy
import GateServer
import Glibc

/// A command line, and what it asks for.
struct Invocation {
  enum Program { case run, reload, healthz, pelagicoreProxy, xdgProxy, list([String]), version, help, nothing, unknown(String) }

  static let version = Release.version

  /// What `--version` says, in the form that every program of busgate has.
  static var versionLine: String { "busgate \(version)" }

  let program: Program
  let arguments: [String]

  init(_ line: [String]) {
    let name = line.first?.split(separator: "/").last.map(String.init) ?? "busgate"
    if let program = Self.personality(name) {
      self.program = program
      arguments = Array(line.dropFirst())
      return
    }
    let word = line.dropFirst().first
    arguments = Array(line.dropFirst(2))
    if let words = Self.listed(Array(line.dropFirst())) {
      program = .list(words)
      return
    }
    switch word {
    case nil: program = .nothing
    case "run": program = .run
    case "reload": program = .reload
    case "healthz": program = .healthz
    case "--version": program = .version
    case "--help", "-h", "help": program = .help
    case let word?: program = Self.personality(word) ?? .unknown(word)
    }
  }

  /// What stands behind `--list`, if that is what a command line begins with: `--list TABLE` or `--list=TABLE`.
  static func listed(_ words: [String]) -> [String]? {
    guard let first = words.first.map(FlagWord.init), first.name == "--list" else { return nil }
    return (first.value.map { [$0] } ?? []) + words.dropFirst()
  }

  private static func personality(_ name: String) -> Program? {
    switch name {
    case "dbus-proxy": .pelagicoreProxy
    case "xdg-dbus-proxy": .xdgProxy
    default: nil
    }
  }

  func perform() -> Int32 {
    switch program {
    case .run: return RunCommand.perform(arguments)
    case .reload: return ReloadCommand.perform(arguments)
    case .healthz: return HealthCommand.perform(arguments)
    case .pelagicoreProxy: return PelagicoreProxyCommand.perform(arguments)
    case .xdgProxy: return XdgProxyCommand.perform(arguments)
    case .list(let words): return RunFlag.list(words)
    case .version:
      print(Self.versionLine)
      return ExitStatus.success
    case .help:
      print(Usage.all)
      return ExitStatus.success
    case .nothing:
      printError("busgate: what is to be done? expected busgate run with its flags; busgate --help lists the commands")
      return ExitStatus.usage
    case .unknown(let word):
      let commands = Usage.commands.map(\.name)
      let meant =
        nearest(to: Array(word.utf8), among: commands)
        ?? "\(commands.dropLast().joined(separator: ", ")) or \(commands.last ?? "")"
      printError("busgate: unknown command \"\(word)\", expected \(meant); busgate --help lists the commands")
      return ExitStatus.usage
    }
  }
}
