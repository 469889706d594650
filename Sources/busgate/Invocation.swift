// Which of the programs in this one is meant: by the first word, or by the name it was started under.

import Glibc

/// A command line, and what it asks for.
struct Invocation {
  enum Program { case run, pelagicoreProxy, xdgProxy, version, help, nothing, unknown(String) }

  static let version = "0.1.0"

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
    switch word {
    case nil: program = .nothing
    case "run": program = .run
    case "--version": program = .version
    case "--help", "-h", "help": program = .help
    case let word?: program = Self.personality(word) ?? .unknown(word)
    }
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
    case .pelagicoreProxy: return PelagicoreProxyCommand.perform(arguments)
    case .xdgProxy: return XdgProxyCommand.perform(arguments)
    case .version:
      print("busgate \(Self.version)")
      return ExitStatus.success
    case .help:
      print(Self.usage)
      return ExitStatus.success
    case .nothing:
      printError("busgate: what is to be done? expected: busgate run …, busgate dbus-proxy …, busgate --help")
      return ExitStatus.usage
    case .unknown(let word):
      printError("busgate: unknown command \"\(word)\", expected run, dbus-proxy or xdg-dbus-proxy")
      return ExitStatus.usage
    }
  }

  static var usage: String {
    """
    usage: busgate run --config FILE… --session PATH | --system PATH | --listen NAME=ADDRESS … [options]
           busgate dbus-proxy SOCKET session|system
           busgate xdg-dbus-proxy [ADDRESS PATH [options]]…

    A D-Bus filtering proxy: listens on a socket for one container and forwards only what the configuration allows.

    \(RunFlag.help)

    As dbus-proxy: configuration documents come on standard input, one a line, each adding rules.
    As xdg-dbus-proxy: see busgate xdg-dbus-proxy --help.

    Sockets may be inherited (LISTEN_FDS, LISTEN_FDNAMES); readiness is told to NOTIFY_SOCKET. SIGHUP reads the files again.

    Exit status: 0 stopped by SIGTERM or SIGINT, 64 usage, 65 configuration, 69 no bus, 71 system error, 78 refused for safety.
    """
  }
}
