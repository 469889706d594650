// A message that two policies disagree about, or that a policy allows: only what rules look at.

import GatePolicy
import GateSession

/// The header fields of a message that could be sent.
public struct ExampleMessage: Sendable, Hashable {
  /// The way of the message.
  public var direction: Direction
  /// Whether it is a SIGNAL; else it is a METHOD_CALL.
  public var isSignal: Bool
  /// INTERFACE, or nil if there is none.
  public var interface: [UInt8]?
  /// PATH.
  public var path: [UInt8]
  /// MEMBER.
  public var member: [UInt8]
  /// Number of file descriptors.
  public var descriptors: Int
  /// Well-known names of who it goes to or comes from, those that rules ask for.
  public var peerNames: [[UInt8]] = []
  /// Whether it is addressed to the bus itself, where other rules count.
  public var isForDriver = false

  /// The name that rules see in a call to the bus itself.
  private var name: [UInt8] { isForDriver ? Array("\(Driver.name)".utf8) : [] }

  /// The other end, as a session knows it that follows names.
  private func peer(_ policy: Policy) -> MessagePeer {
    var peer = MessagePeer()
    for name in peerNames { peer.owned.formUnion(policy.patterns(matching: unsafe name.span.bytes)) }
    peer.everOwned = peer.owned
    return peer
  }

  /// Whether a rule for it would be one for every service, since nothing but the name tells these apart. What the client's own service
  /// says to everybody is its own.
  var opensEveryService: Bool {
    if !peerNames.isEmpty || isForDriver || isSignal && direction == .outgoing { return false }
    guard let interface else {
      return WellKnownInterface.shared.contains { $0.methods.contains { member.elementsEqual($0.utf8) } }
    }
    return WellKnownInterface.shared.contains { interface.elementsEqual($0.name.utf8) }
  }

  /// What the rules of `policy` say about it, as a message between peers.
  func match(_ policy: Policy) -> RuleMatch { ask(policy) { policy.match($0, peer: $1) } }

  /// Whether `policy` lets it through to where it is addressed.
  func isAllowed(by policy: Policy) -> Bool {
    isForDriver ? DriverMessages.isAllowed(self, by: policy) : match(policy).outcome == .allow
  }

  /// What its deny rules alone say.
  func denial(_ policy: Policy) -> RuleMatch { ask(policy) { policy.matchDeny($0, peer: $1) } }

  /// What they say if an allow rule must name interface and member without a wildcard.
  func literalMatch(_ policy: Policy) -> RuleMatch { ask(policy) { policy.matchLiteral($0, peer: $1) } }

  private func ask(_ policy: Policy, _ question: (RuleQuery, MessagePeer) -> RuleMatch) -> RuleMatch {
    let (interface, name) = (interface ?? [], name)
    let query = unsafe RuleQuery(
      direction: direction, isSignal: isSignal, interface: interface.span.bytes, path: path.span.bytes, member: member.span.bytes,
      descriptors: descriptors, name: name.span.bytes)
    return question(query, peer(policy))
  }
}

extension ExampleMessage: CustomStringConvertible {
  /// `outgoing method_call org.example.Door.Open on /org/example/door`, and what else is of note.
  public var description: String {
    let way = direction == .outgoing ? "outgoing" : "incoming"
    let name = interface.map { String(decoding: $0, as: UTF8.self) + "." } ?? ""
    var text = "\(way) \(isSignal ? "signal" : "method_call") \(name)\(String(decoding: member, as: UTF8.self))"
    text += " on \(String(decoding: path, as: UTF8.self))"
    if interface == nil { text += " without INTERFACE" }
    if descriptors > 0 { text += " with \(descriptors) descriptor\(descriptors == 1 ? "" : "s")" }
    let names = peerNames.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " and ")
    if !names.isEmpty { text += direction == .outgoing ? " to \(names)" : " from \(names)" }
    if isForDriver { text += " to the bus itself" }
    return text
  }
}
