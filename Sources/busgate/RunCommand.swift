// `busgate run`: files in, gates out.

import GatePolicy
import GateServer
import GateSession
import Glibc

/// The native sidecar.
enum RunCommand {
  static func perform(_ arguments: [String]) -> Int32 {
    holdReloads()
    if arguments.contains("--help") || arguments.contains("-h") {
      print(Usage.run)
      return ExitStatus.success
    }
    if arguments == ["--version"] {
      print(Invocation.versionLine)
      return ExitStatus.success
    }
    if let words = Invocation.listed(arguments) { return RunFlag.list(words) }
    let options: RunOptions
    do throws(UsageError) {
      options = try RunOptions(arguments, inherited: try InheritedSockets())
    } catch {
      printError("busgate run: \(error); busgate run --help lists the flags")
      return ExitStatus.usage
    }
    do {
      return try run(options)
    } catch {
      return report(error)
    }
  }

  private static func run(_ options: RunOptions) throws -> Int32 {
    let log = try Log(options.log.options)
    do {
      return try run(options, log)
    } catch {
      return report(error, to: log)
    }
  }

  private static func run(_ options: RunOptions, _ log: Log) throws -> Int32 {
    let notifier = ServiceNotifier()
    // Before any socket exists: a configuration that is refused leaves nothing behind. Standard input adds to the files.
    var rules = try PolicyFiles.read(options)
    if let refusal = HostRoot.refusal(options) {
      say("busgate: \(refusal)", log)
      return ExitStatus.refused
    }
    let gates = try options.listeners.map { try gateOptions($0, options, rules) }
    if options.requiresBus {
      var asked: [String] = []
      for gate in gates where !asked.contains(gate.bus.address) {
        asked.append(gate.bus.address)
        if let failure = gate.bus.failure(toAnswerHelloWithin: gate.settings.limits.helloTimeout) {
          say("busgate: gate \(gate.label): \(failure), and --require-bus was given", log)
          return ExitStatus.noBus
        }
      }
    }
    var server = try Server(log: log)
    let start = StartUp(options, notifier, log, rules)
    // Before any socket exists, too: whatever signal comes from here on, what was made is removed again.
    try Signals([SIGTERM, SIGINT, SIGHUP], in: &server) { server, _ in
      _ = reload(&server, options, &rules, notifier, start, log)
    }
    server.onReloadRequest = { server, request in
      server.answer(request, reload(&server, options, &rules, notifier, start, log))
    }
    server.version = Invocation.version
    server.onDraining = { start.noteStop() }
    server.onListening = { server, label in start.note(label, &server) }
    for gate in gates { try server.addGate(gate, retrying: !gate.address.isInherited) }
    if let path = options.metricsPath {
      try listenPatiently { replaces throws(ListenFailure) in
        try server.serveMetrics(path: path, mode: options.metricsMode ?? 0o600, replacesHalfMade: replaces)
      }
    }
    if let path = options.controlPath {
      try listenPatiently { replaces throws(ListenFailure) in try server.serveControl(path: path, replacesHalfMade: replaces) }
    }
    if options.readsStandardInput {
      try server.readLines(from: STDIN_FILENO) { server, line, number in
        add(line, number, &server, options, &rules, log)
      }
    }
    start.look(&server)
    try server.run()
    guard let failure = start.failure else { return ExitStatus.success }
    let status = report(failure, to: log)
    return options.requiresAll ? ExitStatus.refused : status
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

  // MARK: Changes while it runs

  /// Reads the files again; they replace everything, or change nothing.
  private static func reload(
    _ server: inout Server, _ options: RunOptions, _ rules: inout PolicyFiles, _ notifier: ServiceNotifier, _ start: StartUp,
    _ log: Log
  ) -> ReloadOutcome {
    notifier.reloading()
    do throws(ConfigurationFailure) {
      rules = try PolicyFiles.read(options, again: true)
      rules.report(to: log)
      setPolicies(&server, options, rules)
      server.noteReload(succeeded: true)
      log.reloaded()
      notifier.ready(start.status(server))
      return .done
    } catch {
      server.noteReload(succeeded: false)
      log.reloadRefused(error.lines)
      notifier.ready("the reload was refused: \(error)")
      return .refused(error.lines)
    }
  }

  /// A line of standard input adds its rules.
  private static func add(
    _ line: [UInt8], _ number: Int, _ server: inout Server, _ options: RunOptions, _ rules: inout PolicyFiles, _ log: Log
  ) {
    do throws(ConfigurationError) {
      let document = try GatewayDocument.parse(line, file: "stdin", firstLine: number)
      for warning in document.warnings { log.configuration("\(warning)", isError: false) }
      rules.add(document)
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
  static func report(_ error: any Error, to log: Log? = nil) -> Int32 {
    switch error {
    case let error as ConfigurationFailure:
      for line in error.lines { say(line, log) }
      return ExitStatus.configuration
    case let error as UsageError:
      say("busgate: \(error)", log)
      return ExitStatus.usage
    case let error as NoBusAddress:
      say("busgate: \(error)", log)
      return ExitStatus.usage
    case let failure as ListenFailure:
      say("busgate: \(failure)", log)
      switch failure {
      case .refused, .halfMade: return ExitStatus.refused
      case .system: return ExitStatus.system
      }
    default:
      say("busgate: \(error)", log)
      return ExitStatus.system
    }
  }

  /// Says why the program ends: on standard error, and as an event where the log goes to the journal and standard error does not. Where both do it
  /// is one line, and not the datagram: of which unit that is journald finds out from the process that sent it, which has ended by then.
  private static func say(_ text: String, _ log: Log?) {
    printError(text)
    guard let log, log.isJournal, !standardErrorIsJournal else { return }
    log.error(text.hasPrefix("busgate: ") ? String(text.dropFirst(9)) : text)
    log.finish()
  }
}
