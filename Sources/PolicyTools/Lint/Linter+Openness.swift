// The lints that look at what a policy opens beyond what its author sees: names for nearly everybody, services that are started, ways out, and
// the other way, nothing at all.

import GatePolicy
import GateSession

extension Linter {
  /// Patterns of `names` that open a whole desktop, or everybody.
  ///
  /// Once for both buses, since names are for either.
  public static func findings(in names: NameRules?) -> [Finding] {
    (names?.entries ?? []).filter { $0.pattern.isForNearlyEverybody }.map { entry in
      let what = entry.level == .own ? "be taken" : entry.level == .talk ? "be called, in every way" : "be seen"
      return Finding(
        .openNames, at: entry.location,
        "\(quoted(entry.pattern.text)) lets the names of nearly everybody \(what), expected the names that are meant, such as org.example.House"
      )
    }
  }

  /// A policy that opens nothing on the bus that it is for.
  ///
  /// - Parameter otherCount: how many rules its documents have for the other bus.
  public static func closedBus(_ policy: Policy, _ bus: GatewayBus, otherCount: Int, at location: SourceLocation) -> Finding? {
    let opens = policy.rules.contains { $0.action == .allow && !$0.isEmpty }
    if opens || !(policy.names?.entries.isEmpty ?? true) { return nil }
    let others = otherCount == 0 ? "" : ", while there are rules for the other bus"
    return Finding(
      .closedBus, at: location,
      "nothing is open on the \(bus.rawValue) bus\(others), expected a rule in \"dbus-gateway-config-\(bus.rawValue)\"")
  }

  /// Methods of the bus, and of services, that are open to more than is seen. Deny rules open nothing.
  mutating func checkOpenings(_ rule: GatewayRule) {
    if !rule.outgoing || !rule.methodCalls { return }
    if rule.meetsBus {
      checkRequestName(rule)
      checkStart(rule)
    }
    checkWaysOut(rule)
  }

  private mutating func checkStart(_ rule: GatewayRule) {
    guard rule.interface.matches(Array("\(Driver.name)".utf8)), rule.objectPath.matches(Array("\(Driver.path)".utf8)),
      let index = rule.methods.firstIndex(where: { $0.matches(Array("StartServiceByName".utf8)) })
    else { return }
    report(
      .openStart, rule, .method, at: index,
      "the rule lets the container start every service of the bus, expected none: a rule that lets a call to a service pass starts it as well"
    )
  }

  private mutating func checkWaysOut(_ rule: GatewayRule) {
    let ways = WayOut.all.filter { way in
      rule.interface.matches(Array(way.interface.utf8)) && (rule.name?.accepts(way.service) ?? true)
        // By a wildcard the bus's own are not opened.
        && (way.service != "\(Driver.name)" || rule.interface.isLiteral)
    }
    let open = ways.flatMap { way in way.methods.compactMap { opening(way, $0, rule) } }
    guard let first = open.first else { return }
    let others = open.count == 1 ? "" : ", and \(open.count - 1) more ways out"
    report(
      .wayOut, rule, .method, at: first.index,
      "the rule opens \(first.way.interface).\(first.member), which \(first.way.danger)\(others), expected them to be left out, or denied"
    )
  }

  /// By which of its methods a rule opens `member`, if no deny rule stops that.
  private func opening(_ way: WayOut, _ member: String, _ rule: GatewayRule) -> (way: WayOut, member: String, index: Int)? {
    let bytes = Array(member.utf8)
    guard let index = rule.methods.firstIndex(where: { $0.matches(bytes) }) else { return nil }
    if way.service == "\(Driver.name)" && !rule.methods[index].isLiteral { return nil }
    let isStopped = rules.contains { other in
      other.action == .deny && other.outgoing && other.methodCalls && other.maxFDs == nil
        && (other.name?.accepts(way.service) ?? true)
        && other.interface.matches(Array(way.interface.utf8)) && other.methods.contains { $0.matches(bytes) }
        && GlobRelation.includes(other.objectPath, rule.objectPath)
    }
    return isStopped ? nil : (way, member, index)
  }

  /// Rules that no message meets although each of their patterns could be met.
  mutating func checkMeetings(_ rule: GatewayRule) -> Bool {
    func never(_ key: RulePart, _ message: String) -> Bool {
      report(.neverMatches, rule, key, message)
      return false
    }
    if rule.interface.pattern.elementsEqual("org.freedesktop.DBus.Local".utf8) {
      return never(.interface, "org.freedesktop.DBus.Local is never sent, expected another interface")
    }
    if rule.objectPath.pattern.elementsEqual("/org/freedesktop/DBus/Local".utf8) {
      return never(.objectPath, "/org/freedesktop/DBus/Local is never sent, expected another path")
    }
    if rule.action == .deny && rule.maxFDs == 253 {
      return never(.maxFDs, "no message has more than 253 descriptors, expected a smaller number, or an allow rule")
    }
    guard let name = rule.name, name.isExact else { return true }
    if name.text.count > 255 { return never(.name, "a name of \(name.text.count) bytes is nobody's, expected at most 255") }
    if name.text.elementsEqual("\(Driver.name)".utf8) && !rule.outgoing && !rule.signals {
      return never(.name, "the bus itself calls nobody, expected the name of a service, or \"direction\": \"outgoing\"")
    }
    return true
  }
}

extension GatewayRule {
  /// Whether a call to the bus itself may be meant.
  var meetsBus: Bool { name?.accepts("\(Driver.name)") ?? true }

  /// Whether a service is told from the others by nothing: no name is asked for, or nearly everybody's.
  var isForNearlyEverybody: Bool { name?.isForNearlyEverybody ?? true }
}

extension NamePattern {
  /// Below these there are services of all sorts, those among them that lead out.
  private static let crowds = ["org.freedesktop", "org.gnome", "org.kde", "com.canonical", "org.mate", "org.xfce"]

  func accepts(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    return matches(unsafe bytes.span.bytes)
  }

  /// Whether the names of services that have nothing in common are matched.
  var isForNearlyEverybody: Bool {
    if isExact { return false }
    // What is below it matters, not how it is spelt: `*`, `org.*`, `*.freedesktop.*`, `org.freedesktop.*`.
    return Self.crowds.contains { crowd in accepts("\(crowd).a.b") && accepts("\(crowd).c") }
  }
}
