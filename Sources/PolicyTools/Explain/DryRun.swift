// One message through a real session, without sockets: the handshakes and Hello are simulated, then the message is given to the
// same machine that the sidecar runs. What it decides is the answer. So an explanation cannot differ from the sidecar's decision,
// the driver's table and the arguments of its methods included.

import DBusWire
import GatePolicy
import GateSession

/// A session between two simulated peers.
struct DryRun: ~Copyable {
  /// The session would not take the message.
  struct Closed: Error, CustomStringConvertible {
    let description: String
  }

  private static let guid = "0123456789abcdef0123456789abcdef"

  /// The client's name on the simulated bus.
  let client: String
  private let policy: Policy
  private var session: Session
  private var output = Output()
  private var serial: UInt32 = 1
  private var busSerial: UInt32 = 1
  private var decisions: [(side: Side, verdict: Verdict)] = []
  private var unread: (client: [UInt8], bus: [UInt8]) = ([], [])
  private var descriptors = 0
  /// Whether the client has its name, so that what the gate sends to the bus is messages.
  private var hasName = false
  /// Unique names by the well-known names that they own.
  private let owners: [String: String]
  private let now = Instant(milliseconds: 1)

  /// A client that has said Hello, on a bus where peers own these names.
  init(_ policy: Policy, client: String = ":1.1", owners: [String: String] = [:]) throws(Closed) {
    self.policy = policy
    self.owners = owners
    self.client = client
    var settings = SessionSettings()
    settings.logging = .dryRun
    let guid = Array(Self.guid.utf8)
    let directory = OwnerDirectory(ownersMax: settings.limits.ownersMax)
    directory.play([policy], owners: owners)
    session = Session(
      settings: settings, peerUID: 1000, ownUID: 1000, bus: BusIdentity(guid: unsafe guid.span.bytes, unixFDs: true),
      owners: directory, at: now)
    try feed(Array("\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".utf8), from: .client)
    var hello = MessageQuery(direction: .outgoing, kind: .methodCall)
    (hello.interface, hello.path, hello.member) = (MessageWriter.driver, MessageWriter.driverPath, "Hello")
    try feed(MessageWriter.message(for: hello, client: client, serial: serial), from: .client)
    try feed(Array("OK \(Self.guid)\r\nAGREE_UNIX_FD\r\n".utf8), from: .bus)
    var answer = MessageWriter()
    answer.field(.replySerial, serial)
    answer.field(.destination, client)
    answer.field(.sender, MessageWriter.driver)
    answer.argument(client)
    hasName = true
    try feed(answer.message(.methodReturn, serial: busSerial), from: .bus)
  }

  /// The client owns `name` from now on.
  mutating func acquire(_ name: String) throws(Closed) {
    var signal = MessageWriter()
    signal.field(.path, MessageWriter.driverPath)
    signal.field(.interface, MessageWriter.driver)
    signal.field(.member, "NameAcquired")
    signal.field(.destination, client)
    signal.field(.sender, MessageWriter.driver)
    signal.argument(name)
    busSerial += 1
    try feed(signal.message(.signal, serial: busSerial), from: .bus)
  }

  /// What is decided about the message that `query` describes.
  mutating func verdict(on query: MessageQuery) throws(Closed) -> Verdict {
    if query.isForDriver && query.member == "RemoveMatch" {
      // Only what was added can be removed.
      var added = query
      added.member = "AddMatch"
      serial += 1
      try feed(MessageWriter.message(for: added, client: client, serial: serial), from: .client)
    }
    serial += 1
    busSerial += 1
    let own = query.direction == .outgoing
    let bytes = MessageWriter.message(for: query, client: client, serial: own ? serial : busSerial)
    return try verdict(on: bytes, from: own ? .client : .bus, descriptors: query.fds)
  }

  /// What is decided about a message as it is.
  mutating func verdict(on bytes: [UInt8], from side: Side, descriptors: Int) throws(Closed) -> Verdict {
    decisions = []
    try feed(bytes, from: side, descriptors: descriptors)
    guard let verdict = decisions.last(where: { $0.side == side })?.verdict else {
      throw Closed(description: "no decision, expected one whole message")
    }
    return verdict
  }

  // MARK: As a server does

  private mutating func feed(_ bytes: [UInt8], from side: Side, descriptors count: Int = 0) throws(Closed) {
    if side == .client { unread.client += bytes } else { unread.bus += bytes }
    // As many as a queue may hold: a log, or a saved message, may claim any number.
    descriptors = min(count, Int(UInt16.max))
    var isMoving = true
    while isMoving {
      let taken = try (offer(.client), offer(.bus))
      isMoving = taken.0 > 0 || taken.1 > 0
    }
  }

  /// Gives the session what it has not taken from `side`; how much that was.
  private mutating func offer(_ side: Side) throws(Closed) -> Int {
    let bytes = side == .client ? unread.client : unread.bus
    if bytes.isEmpty { return 0 }
    output.removeAll()
    let count = session.receive(
      unsafe bytes.span.bytes, from: side, descriptors: descriptors, policy: policy, at: now, into: &output)
    for index in 0..<output.decisionCount { decisions.append((side, output.decision(index).verdict)) }
    for index in 0..<output.actionCount { descriptors -= min(descriptors, Int(output.action(index).descriptors)) }
    if side == .client { unread.client.removeFirst(count) } else { unread.bus.removeFirst(count) }
    if let reason = output.close { throw Closed(description: "the gate would close the connection: \(reason)") }
    let isConnected = output.requests.contains(.connectBus)
    if isConnected { _ = session.busConnected(at: now, over: .unix) }
    session.localOutputSent(session.localOutputCount(to: .client), to: .client)
    let own = unsafe session.withLocalOutput(to: .bus) { unsafe Array($0) }
    session.localOutputSent(own.count, to: .bus)
    if hasName { answer(own[...]) }
    return isConnected ? count + 1 : count  // what waits for the bus is offered again
  }

  // MARK: As a bus does

  /// Answers what the gate asks for itself: who owns which name.
  private mutating func answer(_ own: ArraySlice<UInt8>) {
    var rest = Array(own)
    while let (count, call) = OwnCall.first(in: rest) {
      rest.removeFirst(count)
      guard let call else { continue }
      busSerial += 1
      var answer = MessageWriter()
      answer.field(.replySerial, call.serial)
      answer.field(.destination, client)
      answer.field(.sender, MessageWriter.driver)
      var type = MessageType.methodReturn
      switch call.member {
      case "ListNames": answer.argument([MessageWriter.driver, client] + owners.keys.sorted() + Set(owners.values).sorted())
      case "GetNameOwner":
        if let owner = owners[call.argument] {
          answer.argument(owner)
        } else {
          type = .error
          answer.field(.errorName, "org.freedesktop.DBus.Error.NameHasNoOwner")
        }
      default: break
      }
      unread.bus += answer.message(type, serial: busSerial)
    }
  }
}
