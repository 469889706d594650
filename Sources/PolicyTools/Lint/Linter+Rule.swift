// The lints that look at one rule.

import GatePolicy
import GateSession

extension Linter {
  // MARK: The grammar

  /// Reports patterns that no legal text matches; whether the rule can match at all. What is empty the parser has told of.
  mutating func checkPatterns(_ rule: GatewayRule) -> Bool {
    var canMatch = true
    func text(_ glob: Glob) -> String { quoted(glob.pattern) }
    if !GlobRelation.canMatch(rule.interface, .interface) {
      canMatch = false
      if !rule.interface.pattern.isEmpty {
        report(
          .neverMatches, rule, .interface,
          "\(text(rule.interface)) matches no interface, expected letters, digits and _ in at least two elements between dots")
      }
    }
    if !GlobRelation.canMatch(rule.objectPath, .path) {
      canMatch = false
      if !rule.objectPath.pattern.isEmpty {
        report(
          .neverMatches, rule, .objectPath,
          "\(text(rule.objectPath)) matches no object path, expected a slash, then letters, digits and _ between slashes")
      }
    }
    var hasMethod = false
    for (index, method) in rule.methods.enumerated() {
      if GlobRelation.canMatch(method, .member) {
        hasMethod = true
      } else if !method.pattern.isEmpty {
        report(.neverMatches, rule, .method, at: index, "\(text(method)) matches no member, expected letters, digits and _")
      }
    }
    return canMatch && hasMethod
  }

  // MARK: How much is open

  mutating func checkWidth(_ rule: GatewayRule) {
    if rule.action == .deny { return }
    let isEverything = rule.interface.isAll && rule.methods.contains(where: \.isAll)
    if isEverything && rule.isForNearlyEverybody {
      report(
        .everything, rule, .interface,
        "the rule allows every method of every interface, expected an interface, a method, or the \"name\" of a service")
      return
    }
    checkOpenings(rule)
    if !rule.isForNearlyEverybody { return }
    if rule.outgoing && rule.methodCalls { checkClosedDriver(rule) }
    checkShared(rule)
  }

  /// What every service has, opened of all of them; or the client, opened to what any of them says. Signals of the client's own are its own.
  private mutating func checkShared(_ rule: GatewayRule) {
    let isCalling = rule.outgoing && rule.methodCalls
    let shared = WellKnownInterface.shared.filter { interface in
      guard rule.interface.matches(Array(interface.name.utf8)) else { return false }
      let members =
        (isCalling || rule.incoming && rule.methodCalls ? interface.methods : [])
        + (rule.incoming && rule.signals ? interface.signals : [])
      return members.contains { member in rule.methods.contains { $0.matches(Array(member.utf8)) } }
    }
    guard let first = shared.first else { return }
    let which = shared.count > 1 ? "\(first.name) and \(shared.count - 1) more that every service has" : first.name
    report(
      .sharedInterface, rule, .interface,
      isCalling
        ? "the rule opens \(which) of every service, and starts those that are not running, expected a \"name\""
        : "the rule lets anybody on the bus send \(which) to the container, expected a \"name\"")
  }

  mutating func checkRequestName(_ rule: GatewayRule) {
    guard rule.interface.matches(Array("\(Driver.name)".utf8)), rule.objectPath.matches(Array("\(Driver.path)".utf8)),
      let index = rule.methods.firstIndex(where: { $0.matches(Array("RequestName".utf8)) })
    else { return }
    report(
      .openRequestName, rule, .method, at: index,
      "the rule lets the container take any name on the bus, expected \"busgate\": {\"names\": {\"own\": [\"…\"]}}")
  }

  /// A wildcard over the bus's own interfaces opens less than it seems to.
  private mutating func checkClosedDriver(_ rule: GatewayRule) {
    // Over other interfaces a wildcard is not about the bus.
    if !rule.interface.pattern.starts(with: "\(Driver.name)".utf8) { return }
    let closed = Driver.methods.filter { method in
      method.access == .literalRule && rule.interface.matches(Array("\(method.interface)".utf8))
        && !(rule.interface.isLiteral && rule.methods.contains { $0.pattern.elementsEqual("\(method.member)".utf8) })
        && rule.methods.contains { $0.matches(Array("\(method.member)".utf8)) }
    }
    guard let first = closed.first, !WellKnownInterface.shared.contains(where: { $0.name == "\(first.interface)" }) else {
      return
    }
    report(
      .closedDriver, rule, .method,
      "a wildcard does not open \(first.interface).\(first.member), expected interface and method without a wildcard if it is meant"
    )
  }

  // MARK: Words

  mutating func checkWords(_ rule: GatewayRule) {
    if !rule.interface.isLiteral { return }
    guard let interface = WellKnownInterface.all.first(where: { $0.name.utf8.elementsEqual(rule.interface.pattern) }) else {
      if let meant = nearest(to: rule.interface.pattern, among: WellKnownInterface.all.map(\.name)) {
        report(
          .typo, rule, .interface, "\(quoted(rule.interface.pattern)) is nearly a well-known interface, expected \"\(meant)\"")
      }
      return
    }
    // The bus has more interfaces and methods than the specification lists; those it lists are not to be missed by a letter.
    let known = interface.methods + interface.signals
    for (index, method) in rule.methods.enumerated() where method.isLiteral && method.pattern.count > 3 {
      if known.contains(where: { $0.utf8.elementsEqual(method.pattern) }) { continue }
      if let meant = nearest(to: method.pattern, among: known) {
        report(.typo, rule, .method, at: index, "\(interface.name) has no \(quoted(method.pattern)), expected \"\(meant)\"")
      }
    }
  }

  // MARK: Directions

  /// - Parameters:
  ///   - called: interfaces whose methods the container calls.
  ///   - offered: interfaces whose methods are called in the container.
  mutating func checkDirection(_ rule: GatewayRule, called: Set<[UInt8]>, offered: Set<[UInt8]>) {
    if rule.action == .deny || rule.outgoing == rule.incoming { return }
    if rule.outgoing, let bus = WellKnownInterface.all.last, rule.interface.pattern.elementsEqual(bus.name.utf8),
      rule.methods.allSatisfy({ method in bus.signals.contains { method.pattern.elementsEqual($0.utf8) } })
    {
      report(.wrongDirection, rule, .direction, "only the bus sends this signal, and it always passes, expected no such rule")
      return
    }
    if !rule.signals || rule.methodCalls || !rule.interface.isLiteral { return }
    let interface = rule.interface.pattern
    if rule.outgoing && called.contains(interface) && !offered.contains(interface) {
      report(
        .wrongDirection, rule, .direction,
        "the container calls \(quoted(interface)), so its signals come in, expected \"direction\": \"incoming\"")
    }
    if rule.incoming && offered.contains(interface) && !called.contains(interface) {
      report(
        .wrongDirection, rule, .direction,
        "the container offers \(quoted(interface)), so its signals go out, expected \"direction\": \"outgoing\"")
    }
  }
}

extension Glob {
  /// Whether every text is matched.
  var isAll: Bool { !pattern.isEmpty && pattern.allSatisfy { $0 == UInt8(ascii: "*") } }
}
