// A decision out of the keys of a line, in whatever order they come. Keys that are not needed are passed over: later versions may
// have more.

import GatePolicy

/// Collects the keys of one line.
struct DecisionBuilder {
  var verdict: LoggedDecision.Verdict?
  private var direction: Direction?
  private var kind: LoggedDecision.MessageKind?
  /// A type that no rule speaks about and nobody knows.
  private var isUnknownKind = false
  private var decision = LoggedDecision(verdict: .deny, direction: .outgoing, kind: .methodCall)

  mutating func take(_ key: String, _ value: String, at column: Int) throws(LogLineError) {
    switch key {
    case "verdict":
      guard let known = LoggedDecision.Verdict(rawValue: value) else {
        throw LogLineError(column: column, message: "unknown verdict, expected allow, audit, deny or drop")
      }
      verdict = known
    case "direction":
      switch value {
      case "outgoing": direction = .outgoing
      case "incoming": direction = .incoming
      default: throw LogLineError(column: column, message: "unknown direction, expected outgoing or incoming")
      }
    case "type":
      kind = LoggedDecision.MessageKind(rawValue: value)
      isUnknownKind = kind == nil && UInt8(value) != nil
    case "reason": decision.reason = value
    case "gate": decision.gate = value
    case "sender": decision.sender = value
    case "destination": decision.destination = value
    case "name": decision.name = value
    case "about": decision.about = value
    case "path": decision.path = value
    case "interface": decision.interface = value
    case "member": decision.member = value
    case "signature": decision.signature = value
    case "fds": decision.fds = try number(value, at: column)
    case "count": decision.count = try number(value, at: column)
    default: break
    }
  }

  private func number(_ text: String, at column: Int) throws(LogLineError) -> Int {
    guard let number = Int(text), (0...LoggedDecision.numberMax).contains(number) else {
      throw LogLineError(column: column, message: "no number, expected one up to \(LoggedDecision.numberMax)")
    }
    return number
  }

  /// The decision, if all that one must have is there; nil for one about a type of message that nobody knows.
  func decision(at column: Int) throws(LogLineError) -> LoggedDecision? {
    if isUnknownKind { return nil }
    guard let verdict else { throw LogLineError(column: column, message: "no verdict, expected the key verdict") }
    guard let direction else { throw LogLineError(column: column, message: "no direction, expected the key direction") }
    guard let kind else { throw LogLineError(column: column, message: "no type, expected the key type") }
    var complete = decision
    complete.verdict = verdict
    complete.direction = direction
    complete.kind = kind
    return complete
  }
}
