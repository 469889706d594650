// What was learned from a log: a configuration, and all that has to be said about it. Made by Learner.

import GatePolicy

/// A configuration that allows what a log tells of, and what has to be said about it.
public struct LearnedPolicy: Sendable {
  /// A pattern that stands for more than was seen.
  public struct Generalisation: Sendable, Equatable {
    /// The bus.
    public let bus: GatewayBus
    /// The pattern: of a path, or `*` for an interface.
    public let pattern: String
    /// What it stands for, and why: the comment of its rules.
    public let reason: String
  }

  /// Messages that were not learned, or need no rule.
  public struct LeftOut: Sendable, Equatable {
    /// What the gate decided.
    public let verdict: LoggedDecision.Verdict
    /// Why, in the log's word.
    public let reason: String
    /// So many messages.
    public var count: Int
    /// The first of them, and where in the log it is.
    public let example: String
    /// `file:line` of that.
    public let place: String
  }

  /// A message for which no rule could be made.
  public struct Unlearnable: Sendable, Equatable {
    /// `file:line` of the first one.
    public let place: String
    /// What is the matter, and what to do.
    public let problem: String
    /// So many messages.
    public let count: Int
  }

  /// One difference to a policy that allows exactly what was seen.
  public struct Surplus: Sendable, Equatable {
    /// The bus.
    public let bus: GatewayBus
    /// What is allowed, though never seen.
    public let example: ExampleMessage
    /// The rule's path pattern.
    public let path: String
    /// The rule's interface pattern.
    public let interface: String
  }

  /// The document.
  public internal(set) var configuration = ""
  /// Number of its rules.
  public internal(set) var ruleCount = 0
  /// All that is wider than what was seen.
  public internal(set) var generalisations: [Generalisation] = []
  /// What these let through beyond it, a message for each rule, member and sort.
  public internal(set) var surplus: [Surplus] = []
  /// Whether there may be more of that, because a bound on work was hit.
  public internal(set) var isSurplusComplete = true
  /// Messages that need no rule: answers, and what every connection may say to the bus.
  public internal(set) var needless = 0
  /// Messages that were not learned.
  public internal(set) var leftOut: [LeftOut] = []
  /// Messages that should have been learned and could not.
  public internal(set) var unlearnable: [Unlearnable] = []
  /// Different messages that were learned, and how often they were seen.
  public internal(set) var learned = (distinct: 0, messages: 0)
  /// Of these, what the configuration allows when it is asked.
  public internal(set) var replayed = (distinct: 0, messages: 0)
}
