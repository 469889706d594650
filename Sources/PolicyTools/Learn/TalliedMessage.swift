// A sort of message out of a log, and the key under which the tally knows it.

import GatePolicy
import GateSession

/// A message as the tally tells messages apart.
struct TalliedMessage: Equatable {
  var verdict: LoggedDecision.Verdict
  var reason: String
  var gate: String
  var direction: Direction
  var kind: LoggedDecision.MessageKind
  /// The well-known name of the other end: what it is sent to, or what the log knew to be behind a unique name; of no bytes if there is
  /// none, or it is not known.
  var name: [UInt8] = []
  /// Whether it is for the bus itself: it says so, or is a call that says nothing.
  var isForDriver: Bool
  /// The name that a call to the bus itself was about; of no bytes if it is not known, or none.
  var about: [UInt8]
  var path: [UInt8]
  /// Of no bytes if there is none.
  var interface: [UInt8]
  var member: [UInt8]
  var count: Int
  /// `file:line` of the first one.
  var place: String

  /// A message with the fields of `key`, which ``DecisionKey`` made.
  init(key: ArraySlice<UInt8>, count: Int, place: String) {
    let parts = key.split(separator: 0, omittingEmptySubsequences: false)
    precondition(parts.count == DecisionKey.Part.allCases.count, "a key has as many parts as were put together")
    func text(_ part: DecisionKey.Part) -> String { String(decoding: parts[part.rawValue], as: UTF8.self) }
    guard let verdict = LoggedDecision.Verdict(rawValue: text(.verdict)),
      let kind = LoggedDecision.MessageKind(rawValue: text(.type))
    else { preconditionFailure("a key is of a decision that was read") }
    self.verdict = verdict
    self.kind = kind
    reason = text(.reason)
    gate = text(.gate)
    direction = text(.direction) == "incoming" ? .incoming : .outgoing
    about = Array(parts[DecisionKey.Part.about.rawValue])
    path = Array(parts[DecisionKey.Part.path.rawValue])
    interface = Array(parts[DecisionKey.Part.interface.rawValue])
    member = Array(parts[DecisionKey.Part.member.rawValue])
    let destination = text(.destination)
    let isForDriver =
      direction == .outgoing && (destination == "\(Driver.name)" || (destination.isEmpty && kind == .methodCall))
    self.isForDriver = isForDriver
    let known = Array(parts[DecisionKey.Part.name.rawValue])
    let called = direction == .outgoing ? Array(destination.utf8) : []
    if !isForDriver { name = [called, known].first { NameSort.name.isLegal($0) } ?? [] }
    self.count = count
    self.place = place
  }

  /// What rules look at.
  var example: ExampleMessage {
    ExampleMessage(
      direction: direction, isSignal: kind == .signal, interface: interface.isEmpty ? nil : interface, path: path, member: member,
      descriptors: 0, peerNames: name.isEmpty ? [] : [name], isForDriver: isForDriver)
  }
}

extension TalliedMessage: CustomStringConvertible {
  /// The message in words.
  var description: String {
    switch kind {
    case .methodCall, .signal: example.description
    case .methodReturn, .error: "\(direction == .outgoing ? "outgoing" : "incoming") \(kind.rawValue)"
    }
  }
}
