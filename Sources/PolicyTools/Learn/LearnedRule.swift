// A rule in the making: what was seen, under a path or a pattern. Made by Learner.

import GatePolicy
import GateSession

/// What one rule is to allow.
struct LearnedRule {
  /// The sorts of messages; what it becomes must be expressible by `direction` and `type`.
  var cells: MessageCells
  /// The pattern; `*` where a call without INTERFACE was seen.
  var interface: [UInt8]
  var path: [UInt8]
  /// Ascending.
  var members: [[UInt8]]
  /// The well-known name that all of it was sent to, if there is one.
  var name: [UInt8]?
  /// Why the rule allows more than was seen, if it does.
  var comment: String?

  /// Whether some call to the owner of `name` passes by this rule, so that it may be started. Rules about interfaces of the bus itself are
  /// not about other services, unless they name one.
  func opensCalls(to name: [UInt8]) -> Bool {
    if cells.isDisjoint(with: .outgoingCall) { return false }
    if let own = self.name { return own == name }
    return !Driver.methods.contains { interface.elementsEqual("\($0.interface)".utf8) }
  }

  /// The rule as a policy has it.
  func rule(at line: Int = 1) -> GatewayRule {
    GatewayRule(
      outgoing: !cells.isDisjoint(with: [.outgoingCall, .outgoingSignal]),
      incoming: !cells.isDisjoint(with: [.incomingCall, .incomingSignal]), interface: Glob(interface), objectPath: Glob(path),
      methods: members.map { Glob($0) }, methodCalls: !cells.isDisjoint(with: [.outgoingCall, .incomingCall]),
      signals: !cells.isDisjoint(with: [.outgoingSignal, .incomingSignal]),
      location: SourceLocation(file: "learned", line: line, column: 1), name: name.flatMap { try? NamePattern($0) })
  }

  /// Rules for the same, as few as can be: members of one path in one array, then directions and types together where all else is
  /// alike.
  static func merged(_ rules: [LearnedRule]) -> [LearnedRule] {
    var byMembers: [Outline: MessageCells] = [:]
    for rule in rules { byMembers[Outline(rule), default: []].formUnion(rule.cells) }
    var merged: [LearnedRule] = []
    for (outline, cells) in byMembers {
      for part in boxes(of: cells) {
        merged.append(
          LearnedRule(
            cells: part, interface: outline.interface, path: outline.path, members: outline.members, name: outline.name,
            comment: outline.comment))
      }
    }
    return merged.sorted { $0.precedes($1) }
  }

  /// `cells` as unions of directions times types.
  private static func boxes(of cells: MessageCells) -> [MessageCells] {
    let all: MessageCells = .withInterface
    if cells == all { return [all] }
    let pairs: [MessageCells] = [
      [.outgoingCall, .incomingCall], [.outgoingSignal, .incomingSignal], [.outgoingCall, .outgoingSignal],
      [.incomingCall, .incomingSignal],
    ]
    var (left, boxes): (MessageCells, [MessageCells]) = (cells, [])
    for pair in pairs where left.isSuperset(of: pair) {
      boxes.append(pair)
      left.subtract(pair)
    }
    return boxes + MessageCells.each.filter { left.isSuperset(of: $0) }
  }

  /// All but the cells.
  private struct Outline: Hashable {
    let interface: [UInt8]
    let path: [UInt8]
    let members: [[UInt8]]
    let name: [UInt8]?
    let comment: String?

    init(_ rule: LearnedRule) {
      (interface, path, members, name, comment) = (rule.interface, rule.path, rule.members, rule.name, rule.comment)
    }
  }

  /// The order of the configuration: by interface, path, cells, members.
  private func precedes(_ other: LearnedRule) -> Bool {
    if interface != other.interface { return interface.lexicographicallyPrecedes(other.interface) }
    if path != other.path { return path.lexicographicallyPrecedes(other.path) }
    if name != other.name { return (name ?? []).lexicographicallyPrecedes(other.name ?? []) }
    if cells != other.cells { return cells.rawValue < other.cells.rawValue }
    return members.lexicographicallyPrecedes(other.members) { $0.lexicographicallyPrecedes($1) }
  }
}
