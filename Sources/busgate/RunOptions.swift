// The command line of `busgate run`, parsed and checked; nothing is opened or done here.

import GateServer
import GateSession

/// What `busgate run` was told.
struct RunOptions {
  /// A gate that was asked for, by its label.
  struct Listener {
    var label: String
    var address: ListenAddress
  }

  /// Where configurations are: a file or a directory, or a path to which `.json` and `.d` are added.
  enum ConfigurationPlace {
    case path(String)
    case base(String)

    /// The files there now.
    func files() throws(ConfigurationFailure) -> [String] {
      switch self {
      case .path(let path): try ConfigurationFile.configurations(at: path)
      case .base(let base): try ConfigurationFile.configurations(of: base)
      }
    }
  }

  var configurations: [ConfigurationPlace] = []
  var manifests = ManifestOptions()
  private(set) var listeners: [Listener] = []
  /// Bus addresses by gate label.
  private(set) var buses = LabelledValues()
  /// Which array of the document a gate uses, by label: the raw value of a ``BusKind``.
  private(set) var policies = LabelledValues()
  var log = LogFlags()
  var socketFile = SocketFileOptions()
  private(set) var allowedUIDs: [UInt32] = []
  var allowsAnonymous = false
  var requiresBus = false
  var requiresAll = false
  var servesAsRoot = false
  var readsStandardInput = false
  /// Changes to each gate's limits, in order.
  var limits: [(inout GateOptions) -> Void] = []
  var readyDescriptor: Int32?
  /// Where metrics are told.
  var metricsPath: String?
  var metricsMode: UInt32?
  /// Where the gate can be asked about itself.
  var controlPath: String?

  /// Parses the words behind `run`. Throws what is wrong and what was expected.
  init(_ arguments: [String], inherited: InheritedSockets) throws(UsageError) {
    var rest = arguments[...]
    while let flag = rest.popFirst() {
      try RunFlag.take(flag, &rest, into: &self)
    }
    for socket in inherited.entries { try listen(on: socket) }
    try log.check()
    if metricsMode != nil && metricsPath == nil { throw UsageError("--metrics-mode: expected --metrics PATH with it") }
    try manifests.check()
    if configurations.isEmpty && manifests.isEmpty && !readsStandardInput {
      throw UsageError("no --config, expected at least one gateway configuration (or --config-base, --manifest-dir or --stdin)")
    }
    if listeners.isEmpty {
      throw UsageError("nothing to listen on, expected --session PATH, --system PATH or --listen NAME=ADDRESS")
    }
    for listener in listeners where policies[listener.label] == nil {
      if BusKind(rawValue: listener.label) == nil {
        throw UsageError("--listen \(listener.label): no policy, expected --policy \(listener.label)=session or =system")
      }
      _ = policies.add(listener.label, listener.label)
    }
    try expectDifferentPaths()
    try expectGates(buses.labels, "--bus")
    try expectGates(policies.labels, "--policy")
  }

  private func expectGates(_ labels: [String], _ flag: String) throws(UsageError) {
    for label in labels where !listeners.contains(where: { $0.label == label }) {
      let names = listeners.map(\.label).joined(separator: ", ")
      throw UsageError("\(flag) \(label): there is no gate \(label), expected one of \(names)")
    }
  }

  /// Of two sockets at one path the second would never be had.
  private func expectDifferentPaths() throws(UsageError) {
    var places: [(path: String, what: String)] = []
    for listener in listeners { if case .path(let path) = listener.address { places.append((path, "gate \(listener.label)")) } }
    if let metricsPath { places.append((metricsPath, "--metrics")) }
    if let controlPath { places.append((controlPath, "--control")) }
    for (index, place) in places.enumerated() {
      if let other = places[..<index].first(where: { $0.path == place.path }) {
        throw UsageError("\(place.what): \(place.path) is the socket of \(other.what), expected another path")
      }
    }
  }

  /// A listener for the gate `label`, by a flag.
  mutating func listen(_ value: FlagValue, _ label: String, at address: String) throws(UsageError) {
    try listen(value.flag, label, try Self.address(value.flag, address))
  }

  /// A listener for the gate that the value names.
  mutating func listen(_ value: FlagValue) throws(UsageError) {
    let (label, address) = try value.pair("NAME=ADDRESS-OR-PATH")
    try listen(value.flag, label, try Self.address("\(value.flag) \(label)", address))
  }

  mutating func addBus(_ value: FlagValue) throws(UsageError) {
    let (label, address) = try value.pair("NAME=ADDRESS, such as session=unix:path=/run/x")
    if !buses.add(label, address) { throw UsageError("--bus \(label) given twice, expected one address") }
  }

  mutating func addPolicy(_ value: FlagValue) throws(UsageError) {
    let (label, word) = try value.pair(value.expected)
    if BusKind(rawValue: word) == nil { throw UsageError("--policy \(label)=\(word): expected session or system") }
    if !policies.add(label, word) { throw UsageError("--policy \(label) given twice, expected one") }
  }

  mutating func setOwner(_ value: FlagValue) throws(UsageError) {
    let owner = try value.owner()
    socketFile.owner = owner.user
    if let group = owner.group { socketFile.group = group }
  }

  mutating func allow(_ user: UInt32) {
    if !allowedUIDs.contains(user) { allowedUIDs.append(user) }
  }

  /// `origin` is where the gate comes from: a flag, or a service manager.
  private mutating func listen(_ origin: String, _ label: String, _ address: ListenAddress) throws(UsageError) {
    if listeners.contains(where: { $0.label == label }) {
      throw UsageError("\(origin): gate \(label) given twice, expected one socket for each gate")
    }
    listeners.append(Listener(label: label, address: address))
  }

  /// A socket from the service manager is for the gate that it is named after (FileDescriptorName=).
  private mutating func listen(on socket: InheritedSockets.Entry) throws(UsageError) {
    if BusKind(rawValue: socket.name) == nil && policies[socket.name] == nil {
      throw UsageError(
        "inherited socket named \"\(socket.name)\": expected the name (FileDescriptorName=) session or system, or one with a --policy"
      )
    }
    if socket.descriptor == readyDescriptor {
      throw UsageError("--ready-fd \(socket.descriptor): it is the inherited socket \(socket.name), expected another descriptor")
    }
    try listen("inherited socket", socket.name, .inherited(socket.descriptor))
  }

  private static func address(_ flag: String, _ text: String) throws(UsageError) -> ListenAddress {
    do throws(UsageError) { return try ListenAddress(text) } catch { throw UsageError("\(flag): \(error)") }
  }
}
