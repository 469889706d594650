// Which rule came nearest to allowing a message. A slow and plain walk over all rules. Logs and tools ask; no decision does.

import DBusWire

extension Policy {
  /// Rules farther away say nothing about a message: no interface in common, nor path and method.
  private static let distanceMax = 9

  /// The allow rule that misses least of a message that no rule allows, the first of several; nil if none is near.
  ///
  /// Takes time in the number of rules.
  /// - Parameters:
  ///   - query: what is asked about the message. Who owns its name is not known here: of a rule that misses nothing else, the name is
  ///     taken to be what it misses.
  ///   - literally: whether only a rule that names interface and method without a wildcard would allow the message.
  public func nearestMiss(_ query: RuleQuery, literally: Bool = false) -> NearestMiss? {
    var nearest: NearestMiss?
    for (index, rule) in rules.enumerated() where rule.action == .allow && !rule.isInert {
      var parts: [NearestMiss.Part] = []
      func check(_ matches: Bool, _ part: NearestMiss.Part) {
        if !matches { parts.append(part) }
      }
      check(query.direction == .outgoing ? rule.outgoing : rule.incoming, .direction)
      check(query.isSignal ? rule.signals : rule.methodCalls, .type)
      // A call without interface is matched by `*` alone.
      check(query.interface.isEmpty ? rule.interface.isEverything : rule.interface.matches(query.interface), .interface)
      check(rule.objectPath.matches(query.path), .objectPath)
      check(rule.methods.contains { $0.matches(query.member) }, .method)
      check(query.descriptors <= rule.maxFDs ?? .max, .maxFDs)
      if let pattern = rule.name, query.direction == .outgoing, !query.name.isEmpty, !query.name.starts(with: UInt8(ascii: ":")) {
        check(pattern.matches(query.name), .name)
      }
      if parts.isEmpty && rule.name != nil { parts = [.name] }
      if parts.isEmpty && literally { parts = [.literal] }
      let miss = NearestMiss(rule: index, parts: parts)
      if !parts.isEmpty && miss.distance <= Self.distanceMax && miss.distance < nearest?.distance ?? .max { nearest = miss }
    }
    return nearest
  }
}
