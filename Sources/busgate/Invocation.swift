// Which of the programs in this one is meant: by the first word, or by the name it was started under.

import Glibc

/// Exit statuses, as sysexits.h has them.
enum ExitStatus {
  static let success: Int32 = 0
  /// The command line cannot be understood.
  static let usage: Int32 = 64
  /// The configuration is wrong.
  static let configuration: Int32 = 65
  /// A bus cannot be reached, and `--require-bus` was given.
  static let noBus: Int32 = 69
  /// A system call failed.
  static let system: Int32 = 71
  /// It would have done harm.
  static let refused: Int32 = 78
}

/// A command line, and what it asks for.
struct Invocation {
  enum Program { case run, classicProxy, namesProxy, version, help, nothing, unknown(String) }

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
    case "dbus-proxy": .classicProxy
    case "xdg-dbus-proxy": .namesProxy
    default: nil
    }
  }

  func perform() -> Int32 {
    switch program {
    case .run: return RunCommand.perform(arguments)
    case .classicProxy: return ClassicProxyCommand.perform(arguments)
    case .namesProxy:
      printError("xdg-dbus-proxy: not in this version; the gateway rules of `busgate run` filter by interface, path and method")
      return ExitStatus.usage
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

  static let usage = """
    usage: busgate run --config FILE… --session PATH | --system PATH | --listen NAME=ADDRESS … [options]
           busgate dbus-proxy SOCKET session|system
           busgate run --list log-keys

    A D-Bus filtering proxy: listens on a socket for one container and forwards only what the configuration allows.

      --config FILE            gateway configuration; several are put together
      --session PATH           listen on PATH for the session bus
      --system PATH            listen on PATH for the system bus
      --listen NAME=ADDRESS    listen on a path or an address (unix:path=, abstract=, dir=, tmpdir=, runtime=yes) for gate NAME
      --policy NAME=session|system  which array of the configuration gate NAME uses; session and system use their own
      --bus NAME=ADDRESS       where the bus of gate NAME is; else as DBUS_*_BUS_ADDRESS or the usual place says
      --require-bus            exit 69 if a bus cannot be reached at the start
      --stdin                  configurations come on standard input too, one a line, each adding rules
      --socket-mode MODE       permissions of the sockets, 0666 if not given
      --socket-owner USER[:GROUP]  their owner
      --allow-uid USER         only this user may connect (repeatable), by the kernel's word
      --allow-anonymous        clients may authenticate as ANONYMOUS
      --mode enforce|audit     audit forwards what the rules do not allow, and logs it; enforce if not given
      --log denied|all|none    which decisions are logged; denied if not given
      --log-format text|json|journal  text and json go to standard error, journal to journald; text if not given
      --log-rate N             decisions a second that a gate logs, 50 if not given; what is held back is counted
      --log-fold SECONDS       repetitions are counted for so long and logged as one, 5 if not given; 0: each by itself
      --log-target PATH        the journal's socket, /run/systemd/journal/socket if not given
      --limit NAME=VALUE       a limit of the contract, as fds-per-message-max=32 or auth-timeout=10s
      --ready-fd N             write one byte to descriptor N once every socket accepts

    As dbus-proxy: configuration documents come on standard input, one a line, each adding rules.

    Sockets may be inherited (LISTEN_FDS, LISTEN_FDNAMES); readiness is told to NOTIFY_SOCKET. SIGHUP reads the files again.

    Exit status: 0 stopped by SIGTERM or SIGINT, 64 usage, 65 configuration, 69 no bus, 71 system error, 78 refused for safety.
    """
}

/// Writes a line to standard error.
func printError(_ text: String) {
  let line = Array((text + "\n").utf8)
  var at = 0
  while at < line.count {
    let n = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress! + at, $0.count - at) }
    if n <= 0 && errno != EINTR { return }
    at += max(0, n)
  }
}
