// A message that somebody asks about: what a header says, and of the body only what decides. Made of flags, of a line of the decision
// log; a saved message is asked about as it is. Whoever makes one sees to it that the names are legal.

import GatePolicy

/// What is known of a message.
public struct MessageQuery: Sendable, Equatable {
  /// Its type.
  public typealias Kind = LoggedDecision.MessageKind

  /// The way of the message.
  public var direction: Direction
  /// Its type.
  public var kind: Kind
  /// INTERFACE; empty if absent, as in what follows.
  public var interface = ""
  /// PATH.
  public var path = ""
  /// MEMBER.
  public var member = ""
  /// DESTINATION. Empty: of an outgoing call the bus itself, of an incoming one the client, of a signal everybody.
  public var destination = ""
  /// SENDER of an incoming message.
  public var sender = ""
  /// A well-known name that the other end owns: the sender of an incoming message, the receiver of one to a unique name. Empty: none.
  public var peerName = ""
  /// Number of file descriptors.
  public var fds = 0
  /// The first argument, where the message has one that is a string and it is known.
  public var argument: String?
  /// Whether it is for somebody else than the client.
  public var isForOthers = false

  /// A message of which nothing is known but this.
  public init(direction: Direction, kind: Kind) {
    self.direction = direction
    self.kind = kind
  }

  /// The message that a line of the log tells of.
  public init(_ decision: LoggedDecision) {
    direction = decision.direction
    kind = decision.kind
    interface = decision.interface
    path = decision.path
    member = decision.member
    destination = decision.destination
    sender = direction == .incoming ? decision.sender : ""
    fds = decision.fds
    // A log may be forged: what is no name is nobody's, and no pattern either.
    if NameSort.name.isLegal(Array(decision.name.utf8)) { peerName = decision.name }
    if NameSort.name.isLegal(Array(decision.about.utf8)) { argument = decision.about }
    isForOthers = decision.reason == "not-addressed"
  }

  /// Who owns which name, as far as this message tells.
  var owners: [String: String] {
    if direction == .incoming { return peerName.isEmpty ? [:] : [peerName: sender.isEmpty ? Self.someone : sender] }
    if !peerName.isEmpty { return [peerName: destination.hasPrefix(":") ? destination : Self.someone] }
    return [:]
  }

  /// The unique name of the other end, where nothing is known of it.
  public static let someone = ":1.2"

  /// The well-known name that a rule could ask for; nil if there is none.
  var rulesName: String? {
    if direction == .incoming { return peerName.isEmpty ? nil : peerName }
    if destination.isEmpty || destination == MessageWriter.driver { return nil }
    return destination.hasPrefix(":") ? (peerName.isEmpty ? nil : peerName) : destination
  }

  /// Whether the bus itself is meant.
  var isForDriver: Bool {
    direction == .outgoing && (destination == MessageWriter.driver || destination.isEmpty && kind == .methodCall)
  }

  /// The words of the log and of error messages: `outgoing method_call INTERFACE.MEMBER on PATH`.
  public var summary: String {
    let way = direction == .outgoing ? "outgoing" : "incoming"
    let name = interface.isEmpty ? member : "\(interface).\(member)"
    return "\(way) \(kind.rawValue)\(name.isEmpty ? "" : " \(name)")\(path.isEmpty ? "" : " on \(path)")"
  }
}
