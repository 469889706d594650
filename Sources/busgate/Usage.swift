// What `--help` prints.

/// The texts of the help. No line has more than 80 columns.
enum Usage {
  /// The programs in this one, and what each is for.
  static let commands: [(name: String, text: String)] = [
    ("run", "serve gates; --help has its flags"),
    ("reload", "CONTROL: have a running gate read its files again"),
    ("healthz", "METRICS [--gate NAME]: say whether a running gate is well"),
    ("dbus-proxy", "as Pelagicore's dbus-proxy, which SoftwareContainer starts: SOCKET session|system"),
    ("xdg-dbus-proxy", "as xdg-dbus-proxy, which flatpak and firejail start; --help has its options"),
  ]

  /// Of `busgate --help`.
  static var all: String {
    """
    usage: busgate COMMAND …

    A D-Bus filtering proxy: listens on a socket for one container, and forwards
    only what the configuration allows.

    \(HelpText.section("Commands", commands.map { (head: $0.name, text: $0.text) }))

    busgate --version prints the version, busgate --list TABLE what this program
    knows: \(RunFlag.tables.joined(separator: ", ")).

    \(run)
    """
  }

  /// Of `busgate run --help`.
  static var run: String {
    """
    usage: busgate run --config FILE… --session PATH|--system PATH|… [FLAG…]

    A flag's value follows it or its =. Sockets may be inherited (LISTEN_FDS,
    LISTEN_FDNAMES); readiness is told to NOTIFY_SOCKET. SIGHUP reads the files
    again; SIGTERM ends the program once what was allowed is delivered.

    \(RunFlag.help)

    Examples:
      busgate run --config radio.json --session /run/radio/bus/session
      busgate run --config radio.json --limit connections-max=16 \\
        --listen engine=/run/engine/bus/system --policy engine=system \\
        --control /run/engine/control --metrics /run/engine/metrics
      busgate run --config radio.json --session /run/radio/bus/session \\
        --mode audit --log all --log-format json 2> audit.log

    Exit status: 0 ended by SIGTERM or SIGINT, 64 usage, 65 configuration, 69 no
    bus (--require-bus), 71 a system call failed, 78 refused for safety.

    See busgate(1), busgate.json(5).
    """
  }
}
