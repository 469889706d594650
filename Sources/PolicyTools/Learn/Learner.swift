// From a tally to a configuration: sort out what needs a rule, make rules, write them, read them back, and put every message of the
// tally to the compiled result. Nothing is allowed that was not seen, but by what is named as a generalisation.

import GatePolicy
import GateSession

/// Learns one configuration.
public struct Learner {
  private let options: LearnOptions
  private var policy = LearnedPolicy()
  /// What needs a rule, by bus, each once.
  private var wanted: [GatewayBus: [ExampleMessage: Int]] = [:]
  /// Services that were started by name.
  private var starts: [(bus: GatewayBus, message: TalliedMessage)] = []

  private init(options: LearnOptions) { self.options = options }

  /// The configuration for what `tally` tells of.
  public static func learn(from tally: DecisionTally, _ options: LearnOptions = LearnOptions()) -> LearnedPolicy {
    var learner = Learner(options: options)
    for message in tally.messages { learner.sort(message) }
    learner.policy.leftOut.sort { $0.count > $1.count }
    learner.makePolicy()
    return learner.policy
  }

  // MARK: What needs a rule

  private mutating func sort(_ message: TalliedMessage) {
    switch message.use(options) {
    case .needless: policy.needless += message.count
    case .leftOut: leaveOut(message)
    case .wanted:
      do throws(LearningProblem) {
        let (bus, example) = try message.wanted(options)
        if DriverMessages.method(example)?.inspection == .startService, example.isForDriver {
          starts.append((bus, message))
        } else {
          wanted[bus, default: [:]][example, default: 0] += message.count
        }
      } catch {
        policy.unlearnable.append(
          LearnedPolicy.Unlearnable(place: message.place, problem: error.description, count: message.count))
      }
    }
  }

  private mutating func leaveOut(_ message: TalliedMessage) {
    if let index = policy.leftOut.firstIndex(where: { $0.verdict == message.verdict && $0.reason == message.reason }) {
      policy.leftOut[index].count += message.count
      return
    }
    policy.leftOut.append(
      LearnedPolicy.LeftOut(
        verdict: message.verdict, reason: message.reason, count: message.count, example: message.description,
        place: message.place))
  }

  // MARK: Rules

  private mutating func makePolicy() {
    var rules: [GatewayBus: [LearnedRule]] = [:]
    for bus in GatewayBus.allCases {
      guard let messages = wanted[bus] else { continue }
      var synthesizer = RuleSynthesizer(messages.keys, siblingsMin: options.siblingsMin)
      rules[bus] = synthesizer.rules()
      policy.generalisations += synthesizer.generalisations.map {
        LearnedPolicy.Generalisation(bus: bus, pattern: $0.pattern, reason: $0.reason)
      }
    }
    for (bus, message) in starts { learnStart(message, rules[bus] ?? []) }
    policy.ruleCount = rules.values.reduce(0) { $0 + $1.count }
    policy.configuration = LearnedRule.document(rules)
    replay()
  }

  /// A service may be started by name where a call to it may pass, since that starts it too; by nothing else, as no rule says which one.
  private mutating func learnStart(_ message: TalliedMessage, _ rules: [LearnedRule]) {
    if !message.about.isEmpty && rules.contains(where: { $0.opensCalls(to: message.about) }) {
      policy.needless += message.count
      return
    }
    // The log tells what a call was about if it was not allowed. What a rule allowed already is closed only if no call shows that it was needed.
    if message.about.isEmpty && message.verdict == .allow { return leaveOut(message) }
    let name = NameSort.name.isLegal(message.about) ? String(decoding: message.about, as: UTF8.self) : ""
    policy.unlearnable.append(
      LearnedPolicy.Unlearnable(
        place: message.place, problem: LearningProblem.start(name: name).description, count: message.count))
  }

  /// Reads the document that was written and asks it about everything.
  private mutating func replay() {
    let document: GatewayDocument
    do throws(ConfigurationError) {
      document = try GatewayDocument.parse(Array(policy.configuration.utf8), file: "learned")
    } catch {
      preconditionFailure("what was learned is no configuration: \(error)")
    }
    for bus in GatewayBus.allCases {
      guard let messages = wanted[bus] else { continue }
      let compiled = Policy(rules: bus.rules(of: document), busName: bus.rawValue)
      for (message, count) in messages {
        policy.learned.distinct += 1
        policy.learned.messages += count
        guard message.isAllowed(by: compiled) else { continue }
        policy.replayed.distinct += 1
        policy.replayed.messages += count
      }
      addSurplus(bus, of: compiled.rules, to: messages.keys)
    }
  }

  /// What else `rules` allow.
  private mutating func addSurplus(_ bus: GatewayBus, of rules: [GatewayRule], to seen: some Sequence<ExampleMessage>) {
    let exact = RuleSynthesizer.exactRules(seen)
    let comparison = PolicyComparison(from: exact, to: rules)
    for difference in comparison.differences where difference.change == .allowed && difference.example.interface != nil {
      guard let location = difference.allowedBy, let rule = rules.first(where: { $0.location == location }) else { continue }
      policy.surplus.append(
        LearnedPolicy.Surplus(
          bus: bus, example: difference.example, path: String(decoding: rule.objectPath.pattern, as: UTF8.self),
          interface: String(decoding: rule.interface.pattern, as: UTF8.self)))
    }
    if !comparison.undecided.isEmpty { policy.isSurplusComplete = false }
  }
}
