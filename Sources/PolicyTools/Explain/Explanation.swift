// Why a message passes or does not, and what would let it through. Asks a DryRun; prints nothing.

import DBusWire
import GatePolicy
import GateSession

/// The answer to a query.
public struct Explanation: Sendable {
  /// Something that the nearest rule wants and the message does not have.
  public struct Miss: Sendable, Equatable {
    /// The rule's key.
    public let key: String
    /// What the rule says.
    public let wanted: String
    /// What the message has.
    public let found: String
  }

  /// What was asked.
  public let query: MessageQuery
  /// What the sidecar does with the message.
  public let verdict: Verdict
  /// The rule that decided, if one did.
  public private(set) var rule: GatewayRule?
  /// The rule that came nearest to allowing the message, if none allows it.
  public private(set) var nearest: GatewayRule?
  /// What that rule misses.
  public private(set) var misses: [Miss] = []
  /// A rule that would allow the message: compiled into the policy and asked before it is told.
  public private(set) var suggestion: GatewayRule?
  /// For what the bus itself is asked about a name: names that would open it, asked before they are told as well.
  public private(set) var suggestedNames: NameRules?
  /// What is to be said about that, or why nothing is suggested.
  public private(set) var hint: String?

  /// Asks `policy` about a message.
  public init(_ query: MessageQuery, by policy: Policy) throws(MessageQueryError) {
    self.query = query
    verdict = try Self.ask(policy, query)
    complete(policy)
  }

  /// Asks `policy` about a message as it is, of which `query` has the header.
  public init(_ message: [UInt8], _ query: MessageQuery, by policy: Policy) throws(MessageQueryError) {
    self.query = query
    do throws(DryRun.Closed) {
      var dryRun = try Self.dryRun(policy, query)
      let side: Side = query.direction == .outgoing ? .client : .bus
      verdict = try dryRun.verdict(on: message, from: side, descriptors: query.fds)
    } catch {
      throw MessageQueryError(description: error.description)
    }
    complete(policy)
  }

  private mutating func complete(_ policy: Policy) {
    if verdict.rule >= 0 { rule = policy.rules[Int(verdict.rule)] }
    if verdict.passes { return }
    findNearest(policy)
    let found = Suggestion(for: query, near: nearest) { query, rule, names in
      let given = policy.rules.prefix(policy.givenRuleCount)
      var all = policy.names
      if let names {
        all = all ?? NameRules()
        all?.add(names)
      }
      let widened = Policy(rules: given + (rule.map { [$0] } ?? []), names: all, busName: policy.busName)
      return (try? Self.ask(widened, query))?.passes ?? false
    }
    (suggestion, suggestedNames, hint) = (found.rule, found.names, found.hint)
  }

  // MARK: Asking

  private static func ask(_ policy: Policy, _ query: MessageQuery) throws(MessageQueryError) -> Verdict {
    do throws(DryRun.Closed) {
      var dryRun = try dryRun(policy, query)
      return try dryRun.verdict(on: query)
    } catch {
      throw MessageQueryError(description: error.description)
    }
  }

  /// A client to which an incoming message of this destination is addressed, unless it is for others.
  private static func dryRun(_ policy: Policy, _ query: MessageQuery) throws(DryRun.Closed) -> DryRun {
    let destination = query.destination
    if query.direction == .outgoing || destination.isEmpty { return try DryRun(policy, owners: query.owners) }
    if query.isForOthers { return try DryRun(policy, client: ":0.0", owners: query.owners) }
    if destination.hasPrefix(":") { return try DryRun(policy, client: destination, owners: query.owners) }
    var dryRun = try DryRun(policy, owners: query.owners)
    try dryRun.acquire(destination)
    return dryRun
  }

  // MARK: What is missing

  private mutating func findNearest(_ policy: Policy) {
    switch verdict.reason {
    case .noRule, .driverClosed, .serviceUnknown, .hidden, .hiddenOwner: break
    default: return  // no rule was asked, or one decided
    }
    let (interface, path, member) = (Array(query.interface.utf8), Array(query.path.utf8), Array(query.member.utf8))
    let name = Array((query.rulesName ?? "").utf8)
    let asked = unsafe RuleQuery(
      direction: query.direction, isSignal: query.kind == .signal, interface: interface.span.bytes, path: path.span.bytes,
      member: member.span.bytes, descriptors: query.fds, name: name.span.bytes)
    let miss = policy.nearestMiss(asked, literally: verdict.reason == .driverClosed)
    guard let miss else { return }
    let rule = policy.rules[miss.rule]
    nearest = rule
    misses = miss.parts.map { Miss($0, rule, query) }
  }
}

extension Explanation.Miss {
  /// What `part` of `rule` wants, and what the message has.
  fileprivate init(_ part: NearestMiss.Part, _ rule: GatewayRule, _ query: MessageQuery) {
    key = part.rawValue
    switch part {
    case .direction:
      (wanted, found) = (rule.outgoing ? "outgoing" : "incoming", query.direction == .outgoing ? "outgoing" : "incoming")
    case .type: (wanted, found) = (rule.signals ? "signal" : "method_call", query.kind.rawValue)
    case .interface: (wanted, found) = (Self.text([rule.interface]), query.interface)
    case .objectPath: (wanted, found) = (Self.text([rule.objectPath]), query.path)
    case .method: (wanted, found) = (Self.text(rule.methods), query.member)
    case .name: (wanted, found) = (rule.name.map { "\($0)" } ?? "", query.rulesName ?? query.destination)
    case .maxFDs: (wanted, found) = (rule.maxFDs.map { "\($0)" } ?? "", "\(query.fds)")
    case .literal:
      (wanted, found) = ("\(Self.text([rule.interface])) \(Self.text(rule.methods))", "\(query.interface) \(query.member)")
    }
  }

  private static func text(_ globs: [Glob]) -> String {
    let shown = globs.prefix(4).map { String(decoding: $0.pattern, as: UTF8.self) }.joined(separator: ", ")
    return globs.count > 4 ? shown + ", …" : shown
  }
}
