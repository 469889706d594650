// Why a message passes or does not, and what would let it through. Asks a Rehearsal; prints nothing.

import DBusWire
import GatePolicy
import GateSession

/// The answer to a question.
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
  public let question: Question
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
  public init(_ question: Question, by policy: Policy) throws(QuestionError) {
    self.question = question
    verdict = try Self.ask(policy, question)
    complete(policy)
  }

  /// Asks `policy` about a message as it is, of which `question` has the header.
  public init(_ message: [UInt8], _ question: Question, by policy: Policy) throws(QuestionError) {
    self.question = question
    do throws(Rehearsal.Closed) {
      var rehearsal = try Self.rehearsal(policy, question)
      let side: Side = question.direction == .outgoing ? .client : .bus
      verdict = try rehearsal.verdict(on: message, from: side, descriptors: question.fds)
    } catch {
      throw QuestionError(description: error.description)
    }
    complete(policy)
  }

  private mutating func complete(_ policy: Policy) {
    if verdict.rule >= 0 { rule = policy.rules[Int(verdict.rule)] }
    if verdict.passes { return }
    findNearest(policy)
    let found = Suggestion(for: question, near: nearest) { question, rule, names in
      let given = policy.rules.prefix(policy.givenRuleCount)
      var all = policy.names
      if let names {
        all = all ?? NameRules()
        all?.add(names)
      }
      let widened = Policy(rules: given + (rule.map { [$0] } ?? []), names: all, busName: policy.busName)
      return (try? Self.ask(widened, question))?.passes ?? false
    }
    (suggestion, suggestedNames, hint) = (found.rule, found.names, found.hint)
  }

  // MARK: Asking

  private static func ask(_ policy: Policy, _ question: Question) throws(QuestionError) -> Verdict {
    do throws(Rehearsal.Closed) {
      var rehearsal = try rehearsal(policy, question)
      return try rehearsal.verdict(on: question)
    } catch {
      throw QuestionError(description: error.description)
    }
  }

  /// A client to which an incoming message of this destination is addressed, unless it is for others.
  private static func rehearsal(_ policy: Policy, _ question: Question) throws(Rehearsal.Closed) -> Rehearsal {
    let destination = question.destination
    if question.direction == .outgoing || destination.isEmpty { return try Rehearsal(policy, owners: question.owners) }
    if question.isForOthers { return try Rehearsal(policy, client: ":0.0", owners: question.owners) }
    if destination.hasPrefix(":") { return try Rehearsal(policy, client: destination, owners: question.owners) }
    var rehearsal = try Rehearsal(policy, owners: question.owners)
    try rehearsal.acquire(destination)
    return rehearsal
  }

  // MARK: What is missing

  private mutating func findNearest(_ policy: Policy) {
    switch verdict.reason {
    case .noRule, .driverClosed, .serviceUnknown, .hidden, .hiddenOwner: break
    default: return  // no rule was asked, or one decided
    }
    let (interface, path, member) = (Array(question.interface.utf8), Array(question.path.utf8), Array(question.member.utf8))
    let name = Array((question.rulesName ?? "").utf8)
    let query = unsafe RuleQuery(
      direction: question.direction, isSignal: question.kind == .signal, interface: interface.span.bytes, path: path.span.bytes,
      member: member.span.bytes, descriptors: question.fds, name: name.span.bytes)
    let miss = policy.nearestMiss(query, literally: verdict.reason == .driverClosed)
    guard let miss else { return }
    let rule = policy.rules[miss.rule]
    nearest = rule
    misses = miss.parts.map { Miss($0, rule, question) }
  }
}

/// Why a question has no answer.
public struct QuestionError: Error, Sendable, CustomStringConvertible {
  /// What is wrong.
  public let description: String

  /// An error that `description` tells.
  public init(description: String) { self.description = description }
}

extension Explanation.Miss {
  /// What `part` of `rule` wants, and what the message has.
  fileprivate init(_ part: NearestMiss.Part, _ rule: GatewayRule, _ question: Question) {
    key = part.rawValue
    switch part {
    case .direction:
      (wanted, found) = (rule.outgoing ? "outgoing" : "incoming", question.direction == .outgoing ? "outgoing" : "incoming")
    case .type: (wanted, found) = (rule.signals ? "signal" : "method_call", question.kind.rawValue)
    case .interface: (wanted, found) = (Self.text([rule.interface]), question.interface)
    case .objectPath: (wanted, found) = (Self.text([rule.objectPath]), question.path)
    case .method: (wanted, found) = (Self.text(rule.methods), question.member)
    case .name: (wanted, found) = (rule.name.map { "\($0)" } ?? "", question.rulesName ?? question.destination)
    case .maxFDs: (wanted, found) = (rule.maxFDs.map { "\($0)" } ?? "", "\(question.fds)")
    case .literal:
      (wanted, found) = ("\(Self.text([rule.interface])) \(Self.text(rule.methods))", "\(question.interface) \(question.member)")
    }
  }

  private static func text(_ globs: [Glob]) -> String {
    let shown = globs.prefix(4).map { String(decoding: $0.pattern, as: UTF8.self) }.joined(separator: ", ")
    return globs.count > 4 ? shown + ", …" : shown
  }
}
