// `busgate run`: files in, gates out.

import GatePolicy
import GateServer
import GateSession
import Glibc

/// The native sidecar.
struct RunCommand {
  private(set) var configurations: [String] = []
  private(set) var listeners: [(bus: BusKind, path: String)] = []
  private(set) var addresses: [BusKind: String] = [:]
  private(set) var logging = SessionSettings.Logging.denied
  /// Changes to each gate's limits, in order.
  private(set) var limits: [(inout GateOptions) -> Void] = []
  private(set) var readyDescriptor: Int32?

  static func perform(_ arguments: [String]) -> Int32 {
    if arguments.contains("--help") {
      print(Invocation.usage)
      return ExitStatus.success
    }
    let command: RunCommand
    do throws(UsageError) {
      command = try RunCommand(arguments)
    } catch {
      printError("busgate run: \(error)")
      return ExitStatus.usage
    }
    do {
      try command.run()
      return ExitStatus.success
    } catch {
      return report(error)
    }
  }

  private init(_ arguments: [String]) throws(UsageError) {
    var rest = arguments[...]
    func value(_ flag: String, _ expected: String) throws(UsageError) -> String {
      guard let value = rest.popFirst(), !value.isEmpty else { throw UsageError("\(flag): no value, expected \(expected)") }
      return value
    }
    while let flag = rest.popFirst() {
      switch flag {
      case "--config": configurations.append(try value(flag, "a gateway configuration file"))
      case "--session": try listen(.session, try value(flag, "a path to listen on"))
      case "--system": try listen(.system, try value(flag, "a path to listen on"))
      case "--bus": try setAddress(try value(flag, "NAME=ADDRESS"))
      case "--log": logging = try Self.logging(try value(flag, "denied, all or none"))
      case "--limit": limits.append(try LimitFlag.parse(try value(flag, "NAME=VALUE")))
      case "--ready-fd": readyDescriptor = try Self.descriptor(try value(flag, "a descriptor number"))
      default:
        throw UsageError(
          "unknown argument \"\(flag)\", expected --config, --session, --system, --bus, --log, --limit or --ready-fd")
      }
    }
    if configurations.isEmpty { throw UsageError("no --config, expected at least one gateway configuration file") }
    if listeners.isEmpty { throw UsageError("nothing to listen on, expected --session PATH or --system PATH") }
  }

  private mutating func listen(_ bus: BusKind, _ path: String) throws(UsageError) {
    if listeners.contains(where: { $0.bus == bus }) { throw UsageError("--\(bus) given twice, expected one socket for each bus") }
    listeners.append((bus, path))
  }

  private mutating func setAddress(_ text: String) throws(UsageError) {
    let parts = text.split(separator: "=", maxSplits: 1)
    guard parts.count == 2, let bus = BusKind(rawValue: String(parts[0])) else {
      throw UsageError("--bus \"\(text)\": expected session=ADDRESS or system=ADDRESS")
    }
    addresses[bus] = String(parts[1])
  }

  private static func logging(_ word: String) throws(UsageError) -> SessionSettings.Logging {
    switch word {
    case "denied": return .denied
    case "all": return .everything
    case "none": return .nothing
    default: throw UsageError("--log \"\(word)\": expected denied, all or none")
    }
  }

  private static func descriptor(_ text: String) throws(UsageError) -> Int32 {
    guard let number = Int32(text), number >= 0 else { throw UsageError("--ready-fd \"\(text)\": expected a descriptor number") }
    if fcntl(number, F_GETFD) < 0 { throw UsageError("--ready-fd \(number): no such descriptor is open") }
    return number
  }

  private func run() throws {
    let log = Log(fd: STDERR_FILENO)
    // Before any socket exists: a configuration that is refused leaves nothing behind.
    let rules = try PolicyFiles.read(configurations)
    let server = try Server(log: log)
    for (bus, path) in listeners {
      let endpoint = try BusEndpoint(address: addresses[bus] ?? bus.defaultAddress())
      var options = GateOptions(label: bus.rawValue, path: path, bus: endpoint, policy: rules.policy(for: bus))
      options.settings.logging = logging
      if bus == .system { options.settings.limits.pendingRepliesMax = 128 }
      for change in limits { change(&options) }
      try server.addGate(options)
    }
    let files = configurations
    let buses = listeners.map(\.bus)
    try server.handleSignals([SIGTERM, SIGINT, SIGHUP]) { server, _ in
      do throws(ConfigurationFailure) {
        let rules = try PolicyFiles.read(files)
        for (gate, bus) in buses.enumerated() { server.setPolicy(rules.policy(for: bus), ofGate: gate) }
        log.note("configuration reloaded")
      } catch {
        log.line("\(error)")
        log.error("the reload was refused; the policy stays as it was")
      }
    }
    if let readyDescriptor {
      var byte: UInt8 = 1
      _ = unsafe write(readyDescriptor, &byte, 1)
      close(readyDescriptor)
    }
    try server.run()
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
    case let failure as ListenFailure:
      printError("busgate: \(failure)")
      switch failure {
      case .refused: return ExitStatus.refused
      case .system: return ExitStatus.system
      }
    default:
      printError("busgate: \(error)")
      return ExitStatus.system
    }
  }
}
