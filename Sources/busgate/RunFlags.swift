// The flags of `busgate run`, as data: the help and the operators' tables are made of it, and a test compares them with what is parsed.

import GateServer
import GateSession

/// A flag and what it means.
struct RunFlag {
  let name: String
  /// What follows it; empty if nothing does.
  let value: String
  let meaning: String

  init(_ name: String, _ value: String, _ meaning: String) {
    self.name = name
    self.value = value
    self.meaning = meaning
  }

  /// In the order of the help.
  static var all: [RunFlag] {
    [
      RunFlag("--config", "FILE", "gateway configuration; several are put together"),
      RunFlag(
        "--manifest-dir", "PATH", "directory of service manifests (*.json), or one manifest: capabilities that may be asked for"),
      RunFlag("--default-manifest-dir", "PATH", "the same, but its capabilities always apply"),
      RunFlag("--capability", "NAME", "apply this capability of the manifests (repeatable)"),
      RunFlag("--session", "ADDRESS", "listen on a path or an address for the session bus, as --listen session=ADDRESS"),
      RunFlag("--system", "ADDRESS", "listen on a path or an address for the system bus, as --listen system=ADDRESS"),
      RunFlag(
        "--listen", "NAME=ADDRESS", "listen for gate NAME on a path or on unix:path=, abstract=, dir=, tmpdir= or runtime=yes"),
      RunFlag(
        "--policy", "NAME=session|system", "which array of the configuration gate NAME uses; session and system use their own"),
      RunFlag("--bus", "NAME=ADDRESS", "where the bus of gate NAME is; else DBUS_*_BUS_ADDRESS, or the usual place"),
      RunFlag("--require-bus", "", "exit 69 if a bus does not answer a Hello at the start"),
      RunFlag("--require-all", "", "exit 78 if a socket cannot be had at the start, also if other gates accept"),
      RunFlag("--stdin", "", "configurations come on standard input too, one a line, each adding rules"),
      RunFlag("--socket-mode", "MODE", "permissions of the sockets, octal; 0666 if not given"),
      RunFlag("--socket-owner", "USER[:GROUP]", "owner of the sockets"),
      RunFlag("--allow-uid", "USER", "only this user may connect (repeatable), by the kernel's word"),
      RunFlag("--allow-anonymous", "", "clients may authenticate as ANONYMOUS"),
      RunFlag("--mode", "enforce|audit", "audit forwards what the rules do not allow, and logs it; enforce if not given"),
      RunFlag("--log", "denied|all|none", "which decisions are logged; denied if not given"),
      RunFlag(
        "--log-format", "text|json|journal", "text and json go to standard error, journal to journald; text if not given"),
      RunFlag("--log-rate", "N", "decisions a second that a gate logs, 50 if not given; what is held back is counted"),
      RunFlag("--log-fold", "SECONDS", "repetitions are counted so long and logged as one, 5 if not given; 0: each by itself"),
      RunFlag("--log-target", "PATH", "the journal's socket, /run/systemd/journal/socket if not given"),
      RunFlag("--limit", "NAME=VALUE", "a limit, as fds-per-message-max=32 or auth-timeout=10s"),
      RunFlag("--ready-fd", "N", "write one byte to descriptor N once every socket accepts, or has failed its first try"),
      RunFlag("--metrics", "PATH", "metrics for Prometheus on the socket PATH: HTTP, GET /metrics"),
      RunFlag("--metrics-mode", "MODE", "permissions of that socket, octal; 0600 if not given"),
      RunFlag(
        "--control", "PATH", "questions about the running gate on the socket PATH, of the gate's own user and of root only"),
      RunFlag("--list", "flags|limits|metrics|log-keys|reasons", "print that table, a row a line, columns between tabs"),
    ]
  }

  /// The flags for people, a line each.
  static var help: String {
    all.map { flag in
      let head = "  \(flag.name)\(flag.value.isEmpty ? "" : " " + flag.value)"
      return head + String(repeating: " ", count: max(2, 33 - head.count)) + flag.meaning
    }.joined(separator: "\n")
  }

  /// A table for programs; nil if there is no such table.
  static func table(_ name: String) -> String? {
    switch name {
    case "flags": all.map { "\($0.name)\t\($0.value)\t\($0.meaning)" }.joined(separator: "\n")
    case "limits": LimitFlag.all.map { "\($0.name)\t\($0.standard)\t\($0.meaning)" }.joined(separator: "\n")
    case "metrics": MetricFamily.all.map { "\($0.name)\t\($0.kind)\t\($0.help)" }.joined(separator: "\n")
    case "reasons": Verdict.Reason.allCases.map { "\($0.word)\t\($0.entry.meaning)" }.joined(separator: "\n")
    case "log-keys": LogKey.allCases.map { "\($0.rawValue)\t\($0.meaning)" }.joined(separator: "\n")
    default: nil
    }
  }
}
