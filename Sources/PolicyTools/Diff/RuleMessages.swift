// A rule with one of its method patterns, as a set of messages: so many sorts × interfaces × paths × members × descriptors × names
// of the other end. A policy is the union of its allow rules' messages without the union of its deny rules'.

import GatePolicy

/// Messages that have each part in a set of its own.
struct RuleMessages {
  var cells: MessageCells
  /// All of these match; there is more than one only where two sets were intersected.
  var interface: [Glob]
  var path: [Glob]
  var member: [Glob]
  var descriptors: ClosedRange<Int>
  /// For each of these the other end has a name that it matches; none: it need not have a name.
  var names: [Glob] = []
  /// Index of the rule in its policy, or -1 if no rule says so.
  var rule: Int

  /// The most descriptors that the kernel passes at once (SCM_MAX_FD).
  static let descriptorsMax = 253

  /// The patterns for one part.
  func patterns(for sort: NameSort) -> [Glob] {
    switch sort {
    case .interface: interface
    case .path: path
    case .member: member
    case .name: names
    }
  }

  /// The messages that are also in `other`; nil if that is plainly none.
  func intersection(_ other: RuleMessages) -> RuleMessages? {
    let cells = cells.intersection(other.cells)
    let lower = max(descriptors.lowerBound, other.descriptors.lowerBound)
    let upper = min(descriptors.upperBound, other.descriptors.upperBound)
    if cells.isEmpty || lower > upper { return nil }
    return RuleMessages(
      cells: cells, interface: interface + other.interface, path: path + other.path, member: member + other.member,
      descriptors: lower...upper, names: names + other.names.filter { !names.contains($0) }, rule: rule)
  }

  /// The messages of `rule`: one set for each of its methods, or two if its name is a subtree; none if it matches nothing.
  static func subsets(of rule: GatewayRule, at index: Int) -> [RuleMessages] {
    if rule.isInert || rule.objectPath.pattern.isEmpty { return [] }
    var cells: MessageCells = []
    if rule.outgoing && rule.methodCalls { cells.formUnion([.outgoingCall, .outgoingCallWithoutInterface]) }
    if rule.outgoing && rule.signals { cells.insert(.outgoingSignal) }
    if rule.incoming && rule.methodCalls { cells.formUnion([.incomingCall, .incomingCallWithoutInterface]) }
    if rule.incoming && rule.signals { cells.insert(.incomingSignal) }
    // Without INTERFACE, a call is met by an allow rule for `*` alone, and by a deny rule whatever that names.
    if rule.action == .allow && !rule.interface.isEverything { cells.formIntersection(.withInterface) }
    if rule.interface.pattern.isEmpty { cells.subtract(.withInterface) }
    let descriptors = descriptors(of: rule)
    if cells.isEmpty || descriptors == nil { return [] }
    return rule.methods.filter { !$0.pattern.isEmpty }.flatMap { method in
      names(of: rule).map { names in
        RuleMessages(
          cells: cells, interface: [rule.interface], path: [rule.objectPath], member: [method], descriptors: descriptors!,
          names: names, rule: index)
      }
    }
  }

  /// What the other end's name must match: nothing, or one of one or two patterns.
  private static func names(of rule: GatewayRule) -> [[Glob]] {
    rule.name.map { name in name.globs.map { [$0] } } ?? [[]]
  }

  private static func descriptors(of rule: GatewayRule) -> ClosedRange<Int>? {
    guard let maxFDs = rule.maxFDs else { return 0...descriptorsMax }
    switch rule.action {
    case .allow: return 0...maxFDs
    case .deny: return maxFDs < descriptorsMax ? maxFDs + 1...descriptorsMax : nil
    }
  }
}
