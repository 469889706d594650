// `busgate run`: files in, gates out.

import GatePolicy
import GateServer
import GateSession
import Glibc

/// The native sidecar.
enum RunCommand {
  static func perform(_ arguments: [String]) -> Int32 {
    holdReloads()
    if arguments.contains("--help") {
      print(Invocation.usage)
      return ExitStatus.success
    }
    if arguments.count == 2 && arguments[0] == "--list", let table = RunFlag.table(arguments[1]) {
      print(table)
      return ExitStatus.success
    }
    let options: RunOptions
    do throws(UsageError) {
      options = try RunOptions(arguments, inherited: try InheritedSockets())
    } catch {
      printError("busgate run: \(error)")
      return ExitStatus.usage
    }
    do {
      return try run(options)
    } catch {
      return report(error)
    }
  }

  private static func run(_ options: RunOptions) throws -> Int32 {
    let notifier = ServiceNotifier()
    let log = try Log(options.log.options)
    // Before any socket exists: a configuration that is refused leaves nothing behind. Standard input adds to the files.
    var rules = try PolicyFiles.read(options)
    for note in rules.notes { log.note(note) }
    let gates = try options.listeners.map { try gateOptions($0, options, rules) }
    if options.requiresBus {
      var asked: [String] = []
      for gate in gates where !asked.contains(gate.bus.address) {
        asked.append(gate.bus.address)
        if let failure = gate.bus.failure(toAnswerHelloWithin: gate.settings.limits.helloTimeout) {
          printError("busgate: gate \(gate.label): \(failure), and --require-bus was given")
          return ExitStatus.noBus
        }
      }
    }
    var server = try Server(log: log)
    // Before any socket exists, too: whatever signal comes from here on, what was made is removed again.
    try Signals([SIGTERM, SIGINT, SIGHUP], in: &server) { server, _ in reload(&server, options, &rules, notifier, log) }
    server.onStopping = { notifier.stopping() }
    for gate in gates { try server.addGate(gate) }
    server.version = Invocation.version
    if let path = options.metricsPath { try server.serveMetrics(path: path, mode: options.metricsMode ?? 0o600) }
    if let path = options.controlPath { try server.serveControl(path: path) }
    if options.readsStandardInput {
      try server.readLines(from: STDIN_FILENO) { server, line, number in
        add(line, number, &server, options, &rules, log)
      }
    }
    announce(server, options, log)
    if let interval = notifier.watchdogInterval { server.setHeartbeat(every: interval) { notifier.alive() } }
    if let ready = options.readyDescriptor { writeReadyByte(ready, log) }
    notifier.ready(status(options))
    forgetStartUpCode()
    try server.run()
    return ExitStatus.success
  }

  private static func gateOptions(
    _ listener: RunOptions.Listener, _ options: RunOptions, _ rules: PolicyFiles
  ) throws -> GateOptions {
    let bus = kind(listener, options)
    var gate = GateOptions(
      label: listener.label, address: listener.address, bus: try endpoint(listener, options), policy: rules.policy(for: bus))
    gate.socketFile = options.socketFile
    gate.allowedUIDs = options.allowedUIDs
    gate.settings.logging = options.log.logging
    gate.settings.mode = options.log.mode
    gate.settings.tellsOwners = options.log.mode == .audit
    gate.settings.allowsAnonymous = options.allowsAnonymous
    if bus == .system { gate.setSystemBusDefaults() }
    for change in options.limits { change(&gate) }
    return gate
  }

  private static func kind(_ listener: RunOptions.Listener, _ options: RunOptions) -> BusKind {
    guard let bus = options.policies[listener.label].flatMap(BusKind.init) else {
      preconditionFailure("a gate without a policy was let through")
    }
    return bus
  }

  private static func endpoint(_ listener: RunOptions.Listener, _ options: RunOptions) throws -> BusEndpoint {
    let given = options.buses[listener.label]
    let bus = kind(listener, options)
    do {
      return try BusEndpoint(address: try given ?? bus.defaultAddress())
    } catch let error as UsageError {
      throw UsageError("\(given == nil ? bus.variable : "--bus \(listener.label)"): \(error)")
    }
  }

  /// Logs addresses that the gate chose itself, and that in audit mode it enforces nothing.
  private static func announce(_ server: borrowing Server, _ options: RunOptions, _ log: Log) {
    if options.log.mode == .audit { log.warning("audit mode: what the rules do not allow is forwarded, and logged") }
    for listener in options.listeners {
      guard case .directory = listener.address, let gate = server.gate(called: listener.label) else { continue }
      if let name = server.listeningName(ofGate: gate) { log.note("gate \(listener.label) listens on \(name)") }
    }
  }

  private static func status(_ options: RunOptions) -> String {
    "serving \(options.listeners.map(\.label).joined(separator: ", "))"
  }

  /// Writes the byte of `--ready-fd`. Does not wait for a reader: clients are there already.
  private static func writeReadyByte(_ descriptor: Int32, _ log: Log) {
    var byte = UInt8(ascii: "\n")  // what s6 waits for
    var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
    errno = EAGAIN
    if unsafe poll(&poller, 1, 0) != 1 || write(descriptor, &byte, 1) != 1 {
      log.warning("\(SystemError("--ready-fd \(descriptor): nobody could be told", errno))")
    }
    // Standard descriptors stay open: else the next client would get the number, and with that of standard error the log.
    if descriptor > STDERR_FILENO { close(descriptor) }
  }

  // MARK: Changes while it runs

  /// Reads the files again; they replace everything, or change nothing.
  private static func reload(
    _ server: inout Server, _ options: RunOptions, _ rules: inout PolicyFiles, _ notifier: ServiceNotifier, _ log: Log
  ) {
    notifier.reloading()
    do throws(ConfigurationFailure) {
      rules = try PolicyFiles.read(options, again: true)
      for note in rules.notes { log.note(note) }
      setPolicies(&server, options, rules)
      server.noteReload(succeeded: true)
      log.reloaded()
      notifier.ready(status(options))
    } catch {
      server.noteReload(succeeded: false)
      log.reloadRefused("\(error)")
      notifier.ready("the reload was refused: \(error)")
    }
  }

  /// A line of standard input adds its rules.
  private static func add(
    _ line: [UInt8], _ number: Int, _ server: inout Server, _ options: RunOptions, _ rules: inout PolicyFiles, _ log: Log
  ) {
    do throws(ConfigurationError) {
      rules.add(try GatewayDocument.parse(line, file: "stdin", firstLine: number))
      setPolicies(&server, options, rules)
    } catch {
      log.configuration("\(error)")
    }
  }

  private static func setPolicies(_ server: inout Server, _ options: RunOptions, _ rules: PolicyFiles) {
    for listener in options.listeners {
      guard let gate = server.gate(called: listener.label) else { continue }
      server.setPolicy(rules.policy(for: kind(listener, options)), ofGate: gate)
    }
  }

  /// Says what went wrong, and how to exit.
  static func report(_ error: any Error) -> Int32 {
    switch error {
    case let error as ConfigurationFailure:
      printError("\(error)")
      return ExitStatus.configuration
    case let error as UsageError:
      printError("busgate: \(error)")
      return ExitStatus.usage
    case let error as NoBusAddress:
      printError("busgate: \(error)")
      return ExitStatus.usage
    case let failure as ListenFailure:
      printError("busgate: \(failure)")
      switch failure {
      case .refused, .halfMade: return ExitStatus.refused
      case .system: return ExitStatus.system
      }
    default:
      printError("busgate: \(error)")
      return ExitStatus.system
    }
  }
}
