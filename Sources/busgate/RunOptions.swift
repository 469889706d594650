// The command line of `busgate run`, parsed and checked; nothing is opened or done here.

import GateServer
import GateSession
import Glibc

/// What `busgate run` was told.
struct RunOptions {
  /// A gate that was asked for, by its label.
  struct Listener {
    var label: String
    var address: ListenAddress
  }

  private(set) var configurations: [String] = []
  private(set) var manifests = ManifestOptions()
  private(set) var listeners: [Listener] = []
  /// Bus addresses by gate label.
  private(set) var buses = LabelledValues()
  /// Which array of the document a gate uses, by label: the raw value of a ``BusKind``.
  private(set) var policies = LabelledValues()
  private(set) var log = LogFlags()
  private(set) var socketFile = SocketFileOptions()
  private(set) var allowedUIDs: [UInt32] = []
  private(set) var allowsAnonymous = false
  private(set) var requiresBus = false
  private(set) var requiresAll = false
  private(set) var readsStandardInput = false
  /// Changes to each gate's limits, in order.
  private(set) var limits: [(inout GateOptions) -> Void] = []
  private(set) var readyDescriptor: Int32?
  /// Where metrics are told.
  private(set) var metricsPath: String?
  private(set) var metricsMode: UInt32?
  /// Where the gate can be asked about itself.
  private(set) var controlPath: String?

  /// Parses the words behind `run`. Throws what is wrong and what was expected.
  init(_ arguments: [String], inherited: InheritedSockets) throws(UsageError) {
    var rest = arguments[...]
    while let flag = rest.popFirst() {
      if let limit = try LimitFlag.take(flag, next: { rest.popFirst() }) { limits.append(limit) } else { try take(flag, &rest) }
    }
    for socket in inherited.entries { try listen(on: socket) }
    try log.check()
    if metricsMode != nil && metricsPath == nil { throw UsageError("--metrics-mode: expected --metrics PATH with it") }
    try manifests.check()
    if configurations.isEmpty && manifests.isEmpty && !readsStandardInput {
      throw UsageError("no --config, expected at least one gateway configuration file (or --manifest-dir, or --stdin)")
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
    try expectGates(buses.labels, "--bus")
    try expectGates(policies.labels, "--policy")
  }

  private func expectGates(_ labels: [String], _ flag: String) throws(UsageError) {
    for label in labels where !listeners.contains(where: { $0.label == label }) {
      let names = listeners.map(\.label).joined(separator: ", ")
      throw UsageError("\(flag) \(label): there is no gate \(label), expected one of \(names)")
    }
  }

  private mutating func take(_ flag: String, _ rest: inout ArraySlice<String>) throws(UsageError) {
    func value(_ expected: String) throws(UsageError) -> String {
      guard let value = rest.popFirst(), !value.isEmpty else { throw UsageError("\(flag): no value, expected \(expected)") }
      return value
    }
    switch flag {
    case "--config": configurations.append(try value("a gateway configuration file"))
    case "--manifest-dir", "--default-manifest-dir", "--capability":
      manifests.take(flag, try value(ManifestOptions.expected(flag)))
    case "--session", "--system":
      try listen(flag, String(flag.dropFirst(2)), try Self.address(flag, try value("a path to listen on")))
    case "--listen":
      let (label, address) = try Self.pair(flag, try value("NAME=ADDRESS"), "NAME=ADDRESS-OR-PATH")
      try listen(flag, label, try Self.address("\(flag) \(label)", address))
    case "--bus":
      let (label, address) = try Self.pair(flag, try value("NAME=ADDRESS"), "NAME=ADDRESS, such as session=unix:path=/run/x")
      if !buses.add(label, address) { throw UsageError("--bus \(label) given twice, expected one address") }
    case "--policy":
      let (label, word) = try Self.pair(flag, try value("NAME=session or NAME=system"), "NAME=session or NAME=system")
      if BusKind(rawValue: word) == nil { throw UsageError("--policy \(label)=\(word): expected session or system") }
      if !policies.add(label, word) { throw UsageError("--policy \(label) given twice, expected one") }
    case "--log", "--log-format", "--log-rate", "--log-fold", "--log-target", "--mode":
      try log.take(flag, try value(LogFlags.expected(flag)))
    case "--socket-mode": socketFile.mode = try Self.mode(flag, try value("an octal mode such as 0660"))
    case "--socket-owner": try setOwner(try value("USER or USER:GROUP"))
    case "--allow-uid":
      let name = try value("a user's number or name")
      guard let uid = UserDatabase.user(name) else {
        throw UsageError("--allow-uid \(name): no such user in /etc/passwd, expected a number or a name there")
      }
      if !allowedUIDs.contains(uid) { allowedUIDs.append(uid) }
    case "--allow-anonymous": allowsAnonymous = true
    case "--require-bus": requiresBus = true
    case "--require-all": requiresAll = true
    case "--stdin": readsStandardInput = true
    case "--metrics": metricsPath = try Self.once(flag, metricsPath, try value("a path to listen on"))
    case "--metrics-mode": metricsMode = try Self.mode(flag, try value("an octal mode such as 0660"))
    case "--control": controlPath = try Self.once(flag, controlPath, try value("a path to listen on"))
    case "--list":
      throw UsageError("--list stands alone, expected busgate run --list flags, limits, metrics, log-keys or reasons")
    case "--ready-fd": readyDescriptor = try Self.descriptor(try value("a descriptor number"))
    default: throw UsageError("unknown argument \"\(flag)\", expected one of those that busgate --help lists")
    }
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

  private mutating func setOwner(_ text: String) throws(UsageError) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let owner = UserDatabase.user(parts[0]) else {
      throw UsageError("--socket-owner \(text): no such user in /etc/passwd, expected USER or USER:GROUP")
    }
    socketFile.owner = owner
    if parts.count == 1 { return }
    guard let group = UserDatabase.group(parts[1]) else {
      throw UsageError("--socket-owner \(text): no such group in /etc/group, expected USER or USER:GROUP")
    }
    socketFile.group = group
  }

  private static func pair(_ flag: String, _ text: String, _ expected: String) throws(UsageError) -> (String, String) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw UsageError("\(flag) \"\(text)\": expected \(expected)")
    }
    let isPlain = parts[0].utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
      default: false
      }
    }
    if !isPlain || parts[0].utf8.count > 64 {
      throw UsageError("\(flag) \"\(text)\": expected a gate's name of at most 64 letters, digits, and - _ .")
    }
    return (parts[0], parts[1])
  }

  private static func address(_ flag: String, _ text: String) throws(UsageError) -> ListenAddress {
    do throws(UsageError) { return try ListenAddress(text) } catch { throw UsageError("\(flag): \(error)") }
  }

  private static func once(_ flag: String, _ given: String?, _ path: String) throws(UsageError) -> String {
    if given != nil { throw UsageError("\(flag) given twice, expected one path") }
    if path.hasPrefix("unix:") { throw UsageError("\(flag) \"\(path)\": it is an address, expected a path") }
    return path
  }

  private static func mode(_ flag: String, _ text: String) throws(UsageError) -> UInt32 {
    guard let mode: UInt32 = plainNumber(text, radix: 8), mode <= 0o777, text.utf8.count <= 4 else {
      throw UsageError("\(flag) \(text): expected an octal mode from 0 to 0777")
    }
    return mode
  }

  private static func descriptor(_ text: String) throws(UsageError) -> Int32 {
    guard let number: Int32 = plainNumber(text) else {
      throw UsageError("--ready-fd \"\(text)\": expected a descriptor number")
    }
    let flags = fcntl(number, F_GETFL)
    if flags < 0 { throw UsageError("--ready-fd \(number): it is not open, expected an open descriptor") }
    if flags & O_ACCMODE == O_RDONLY {
      throw UsageError("--ready-fd \(number): it is open for reading only, expected a descriptor to write to")
    }
    // Programs of unixexec must not hold it open; their standard descriptors are made for them.
    if number > STDERR_FILENO { _ = fcntl(number, F_SETFD, FD_CLOEXEC) }
    return number
  }
}
