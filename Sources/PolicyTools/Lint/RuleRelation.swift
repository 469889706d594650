// How the messages of two rules lie to each other. Built on GlobRelation; asked by the lints.

import GatePolicy

extension GatewayRule {
  /// Whether the rule matches every message that `other` matches, as far as can be told rule by rule.
  ///
  /// Of an allow rule and a deny rule the numbers of descriptors are compared as each of them counts.
  func covers(_ other: GatewayRule) -> Bool {
    (outgoing || !other.outgoing) && (incoming || !other.incoming) && (methodCalls || !other.methodCalls)
      && (signals || !other.signals) && covers(peersOf: other) && covers(descriptorsOf: other) && coversInterface(of: other)
      && GlobRelation.includes(objectPath, other.objectPath)
      && other.methods.allSatisfy { wanted in methods.contains { GlobRelation.includes($0, wanted) } }
  }

  /// Whether every peer that `other` asks for is one that this rule asks for.
  private func covers(peersOf other: GatewayRule) -> Bool {
    if delivery != .any && delivery != other.delivery || action == .allow && other.isSticky && !isSticky { return false }
    guard let name else { return true }
    guard let inner = other.name else { return false }
    if name == inner { return true }
    if inner.isExact { return name.matches(unsafe inner.text.span.bytes) }
    // A subtree in a subtree.
    return !name.isExact && name.text.elementsEqual(name.namespace + Array(".*".utf8))
      && inner.namespace.starts(with: name.namespace + Array(".".utf8))
  }

  /// Whether some message may be matched by both. Names do not tell rules apart: one peer may own several.
  func overlaps(_ other: GatewayRule) -> Bool {
    (outgoing && other.outgoing || incoming && other.incoming) && (methodCalls && other.methodCalls || signals && other.signals)
      && descriptors.overlaps(other.descriptors) && GlobRelation.overlap(interface, other.interface)
      && GlobRelation.overlap(objectPath, other.objectPath)
      && methods.contains { a in other.methods.contains { b in GlobRelation.overlap(a, b) } }
  }

  /// The numbers of descriptors with which a message matches.
  var descriptors: ClosedRange<Int> {
    guard let maxFDs else { return 0...Int(UInt32.max) }
    switch action {
    case .allow: return 0...maxFDs
    case .deny: return maxFDs + 1...Int(UInt32.max)
    }
  }

  private func covers(descriptorsOf other: GatewayRule) -> Bool {
    descriptors.lowerBound <= other.descriptors.lowerBound && descriptors.upperBound >= other.descriptors.upperBound
  }

  /// A call without INTERFACE is matched by exactly `*` alone where it allows, by anything where it denies.
  private func coversInterface(of other: GatewayRule) -> Bool {
    if action == .allow && other.interface.isEverything && other.methodCalls && !interface.isEverything { return false }
    return GlobRelation.includes(interface, other.interface)
  }

  /// Whether no message at all is matched, as far as can be told by looking at each key.
  var isEmpty: Bool {
    isInert || !GlobRelation.canMatch(interface, .interface) || !GlobRelation.canMatch(objectPath, .path)
      || !methods.contains { GlobRelation.canMatch($0, .member) }
  }
}
