// The command lines of the sidecar, parsed and not performed. Input: the words behind the program's name, with NUL between them. Not among
// the bodies of FuzzBodies, since a library may not import a program; `make fuzz` builds the program's sources as one.

import GateServer

@testable import busgate

enum CommandLineBody {
  static let name = "commands"

  static func run(_ input: [UInt8]) {
    guard let text = String(validating: input, as: UTF8.self) else { return }
    let words = text.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
    let invocation = Invocation(["busgate"] + words)
    do throws(UsageError) {
      switch invocation.program {
      case .run: check(try RunOptions(invocation.arguments, inherited: try InheritedSockets()))
      case .xdgProxy: check(try XdgProxyOptions(invocation.arguments) { _ in [] })
      case .reload: if try ReloadCommand.path(invocation.arguments).hasPrefix("-") { fatalError("an option is no path") }
      case .healthz: if try HealthCommand(invocation.arguments).path.hasPrefix("-") { fatalError("an option is no path") }
      default: break  // nothing of them is parsed into options
      }
    } catch {
      if "\(error)".isEmpty { fatalError("an error that says nothing") }
    }
  }

  private static func check(_ options: XdgProxyOptions) {
    guard case .serve = options.request else { return }
    if options.proxies.isEmpty { fatalError("nothing to serve") }
    for proxy in options.proxies where proxy.address.hasPrefix("-") || proxy.path.hasPrefix("-") {
      fatalError("an option is no path")
    }
  }

  /// What has passed is enough to run with.
  private static func check(_ options: RunOptions) {
    let labels = options.listeners.map(\.label)
    if labels.isEmpty || Set(labels).count != labels.count { fatalError("gates \(labels)") }
    if options.configurations.isEmpty && options.manifests.isEmpty && !options.readsStandardInput {
      fatalError("no configuration")
    }
    for label in labels where options.policies[label] == nil { fatalError("gate \(label) has no policy") }
    for label in options.buses.labels where !labels.contains(label) { fatalError("a bus for gate \(label), which there is not") }
    if options.socketFile.mode | (options.metricsMode ?? 0) > 0o777 { fatalError("a mode of more than nine bits") }
  }
}
