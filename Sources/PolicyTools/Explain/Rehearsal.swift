// One message through a real session, without sockets: the handshakes and Hello are played, then the message is given to the same
// machine that the sidecar runs, and what it decides is the answer. So an explanation cannot differ from the sidecar's decision, the
// driver's table and the arguments of its methods included.

import DBusWire
import GatePolicy
import GateSession

/// A session between two peers that are played.
struct Rehearsal: ~Copyable {
  /// The session would not take the message.
  struct Closed: Error, CustomStringConvertible {
    let description: String
  }

  private static let guid = "0123456789abcdef0123456789abcdef"

  /// The client's name on the played bus.
  let client: String
  private let policy: Policy
  private var session: Session
  private var output = Output()
  private var serial: UInt32 = 1
  private var decisions: [Verdict] = []
  private var unread: (client: [UInt8], bus: [UInt8]) = ([], [])
  private let now = Instant(milliseconds: 1)

  /// A client that has said Hello.
  init(_ policy: Policy, client: String = ":1.1") throws(Closed) {
    self.policy = policy
    self.client = client
    var settings = SessionSettings()
    settings.logging = .everything
    let guid = Array(Self.guid.utf8)
    session = Session(
      settings: settings, peerUID: 1000, ownUID: 1000, bus: BusIdentity(guid: unsafe guid.span.bytes, unixFDs: true), at: now)
    try feed(Array("\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".utf8), from: .client)
    try feed(Array("OK \(Self.guid)\r\nAGREE_UNIX_FD\r\n".utf8), from: .bus)
    var hello = Question(direction: .outgoing, kind: .methodCall)
    (hello.interface, hello.path, hello.member) = (MessageWriter.driver, MessageWriter.driverPath, "Hello")
    try feed(MessageWriter.message(for: hello, client: client, serial: serial), from: .client)
    var answer = MessageWriter()
    answer.field(.replySerial, serial)
    answer.field(.destination, client)
    answer.field(.sender, MessageWriter.driver)
    answer.argument(client)
    try feed(answer.message(.methodReturn, serial: 1), from: .bus)
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
    try feed(signal.message(.signal, serial: 2), from: .bus)
  }

  /// What is decided about the message that `question` describes.
  mutating func verdict(on question: Question) throws(Closed) -> Verdict {
    if question.isForDriver && question.member == "RemoveMatch" {
      // Only what was added can be removed.
      var added = question
      added.member = "AddMatch"
      serial += 1
      try feed(MessageWriter.message(for: added, client: client, serial: serial), from: .client)
    }
    serial += 1
    let bytes = MessageWriter.message(for: question, client: client, serial: serial)
    return try verdict(on: bytes, from: question.direction == .outgoing ? .client : .bus, descriptors: question.fds)
  }

  /// What is decided about a message as it is.
  mutating func verdict(on bytes: [UInt8], from side: Side, descriptors: Int) throws(Closed) -> Verdict {
    decisions = []
    try feed(bytes, from: side, descriptors: descriptors)
    guard let verdict = decisions.last else { throw Closed(description: "no decision, expected one whole message") }
    return verdict
  }

  // MARK: As a server does

  private mutating func feed(_ bytes: [UInt8], from side: Side, descriptors: Int = 0) throws(Closed) {
    var rest = (side == .client ? unread.client : unread.bus) + bytes
    var descriptors = descriptors
    var isDone = false
    while !isDone {
      output.removeAll()
      let count = session.receive(
        unsafe rest.span.bytes, from: side, descriptors: descriptors, policy: policy, at: now, into: &output)
      for index in 0..<output.decisionCount { decisions.append(output.decision(index).verdict) }
      for index in 0..<output.actionCount { descriptors -= min(descriptors, Int(output.action(index).descriptors)) }
      rest.removeFirst(count)
      if let reason = output.close { throw Closed(description: "the gate would close the connection: \(reason)") }
      if output.requests.contains(.connectBus) { session.busConnected(at: now) }
      session.ownOutputLeft(session.ownOutputCount(to: .client), to: .client)
      session.ownOutputLeft(session.ownOutputCount(to: .bus), to: .bus)
      isDone = rest.isEmpty || count == 0
    }
    if side == .client { unread.client = rest } else { unread.bus = rest }
  }
}
