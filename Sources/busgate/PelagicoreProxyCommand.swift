// `dbus-proxy SOCKET session|system`: the drop-in for Pelagicore's dbus-proxy, as SoftwareContainer starts it: with a pipe as standard
// input, on which configurations come as lines over time, and killed or terminated at the end.

import GatePolicy
import GateServer
import GateSession
import Glibc

/// The personality `dbus-proxy`.
enum PelagicoreProxyCommand {
  static let usage = "usage: dbus-proxy SOCKET session|system [--limit NAME=VALUE]…"

  static func perform(_ arguments: [String]) -> Int32 {
    if arguments.contains("--version") || arguments.contains("--help") {
      print("\(usage)\n\(Invocation.versionLine)")
      return ExitStatus.success
    }
    var words: [String] = []
    var limits: [(inout GateOptions) -> Void] = []
    do throws(UsageError) {
      var rest = arguments[...]
      while let word = rest.popFirst() {
        if let limit = try LimitFlag.take(word, next: { rest.popFirst() }) { limits.append(limit) } else { words.append(word) }
      }
    } catch {
      printError("dbus-proxy: \(error); \(usage)")
      return ExitStatus.usage
    }
    guard words.count == 2, let bus = BusKind(rawValue: words[1]), !words[0].isEmpty else {
      let got = arguments.isEmpty ? "no arguments" : "\"\(arguments.joined(separator: " "))\""
      printError("dbus-proxy: \(got), expected a socket path and session or system; \(usage)")
      return ExitStatus.usage
    }
    do {
      try run(socket: words[0], bus, limits)
      return ExitStatus.success
    } catch {
      return RunCommand.report(error)
    }
  }

  private static func run(socket: String, _ bus: BusKind, _ limits: [(inout GateOptions) -> Void]) throws {
    // Sockets are not inherited here; but what the environment says to this process must not reach a program of unixexec.
    _ = try InheritedSockets()
    let notifier = ServiceNotifier()
    let log = Log(fd: STDERR_FILENO)
    if bus == .system && HostRoot.isCurrent {
      log.warning("it serves a system bus as root, whom services let do everything, expected another user")
    }
    var server = try Server(log: log)
    let endpoint = try BusEndpoint(address: bus.defaultAddress())
    // Denies everything until the first line.
    let closed = Policy(rules: [], busName: bus.policyName)
    var options = GateOptions(label: bus.rawValue, address: .path(socket), bus: endpoint, policy: closed)
    options.settings.opensNames = true
    options.settings.saysHello = true
    if bus == .system { options.setSystemBusDefaults() }
    for change in limits { change(&options) }
    try Signals([SIGTERM, SIGINT], in: &server)
    server.onDraining = { notifier.stopping() }
    let gate = try server.addGatePatiently(options)
    try server.readLines(from: STDIN_FILENO) { server, line, number in
      do throws(ConfigurationError) {
        let document = try GatewayDocument.parse(line, file: "stdin", dialect: .classic, firstLine: number)
        for warning in document.warnings { log.configuration("\(warning)", isError: false) }
        let added = bus == .session ? document.sessionRules : document.systemRules
        let old = server.policy(ofGate: gate)
        var names = old.names
        if let more = document.names {
          names = names ?? NameRules()
          names?.add(more)
        }
        let rules = old.rules.prefix(old.givenRuleCount) + added
        server.setPolicy(Policy(rules: Array(rules), names: names, busName: bus.policyName), ofGate: gate)
      } catch {
        log.configuration("\(error)")
      }
    }
    if let interval = notifier.watchdogInterval { server.setHeartbeat(every: interval) { notifier.alive() } }
    notifier.ready("serving \(bus.rawValue)")
    forgetStartUpCode()
    try server.run()
  }
}
