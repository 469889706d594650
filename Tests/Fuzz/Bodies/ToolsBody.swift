// Whole files through what busgatectl makes of them: check, diff, manifest merge, explain, learn. Input: files between lines that are one
// NUL: a policy, another, then a log that is also taken for a saved message. Whatever they are, each tool ends with an answer or with words.

import DBusWire
import GatePolicy
import PolicyTools

enum ToolsBody {
  /// More than these are looked at by nobody here: what goes with the square of them is not what is asked.
  private static let rulesMax = 12
  private static let linesMax = 12

  static func run(_ input: [UInt8]) {
    let files = parts(input)
    let policies = files.prefix(2).map(load)
    for (file, policy) in zip(files, policies) {
      check(policy)
      if policy.findings.allSatisfy({ $0.severity == .warning }) { merge(file) }
    }
    let isSmall = policies.allSatisfy { $0.rules.count <= rulesMax }
    if isSmall, policies.count == 2 { compare(policies[0], policies[1]) }
    guard files.count == 3 else { return }
    learn(files[2])
    if !isSmall { return }
    for bus in GatewayBus.allCases { explain(files[2], policies[0].policy(for: bus)) }
  }

  /// Up to three files.
  private static func parts(_ input: [UInt8]) -> [[UInt8]] {
    var files: [[UInt8]] = []
    var (start, at) = (0, 0)
    while files.count < 2, at + 2 < input.count {
      if input[at] == 0x0A && input[at + 1] == 0 && input[at + 2] == 0x0A {
        files.append(Array(input[start..<at]))
        start = at + 3
        at = start
      } else {
        at += 1
      }
    }
    return files + [Array(input[start...])]
  }

  private static func load(_ bytes: [UInt8]) -> LoadedPolicy {
    var policy = LoadedPolicy()
    policy.add(bytes, file: "fuzz.json")
    for finding in policy.findings { demand("\(finding)".hasPrefix("fuzz.json:"), "a finding without its place: \(finding)") }
    return policy
  }

  // MARK: check, manifest merge, diff

  private static func check(_ policy: LoadedPolicy) {
    var findings = Linter.findings(in: policy.names)
    for bus in GatewayBus.allCases {
      let compiled = policy.policy(for: bus)
      if compiled.rules.count > 64 { return }
      var linter = Linter(compiled, outline: policy.outline)
      findings += linter.run()
      let place = SourceLocation(file: "fuzz.json", line: 1, column: 1)
      if let closed = Linter.closedBus(compiled, bus, otherCount: 0, at: place) { findings.append(closed) }
    }
    for finding in findings {
      demand("\(finding)".hasPrefix("fuzz.json:") && !finding.message.contains("\n"), "no finding for a line: \(finding)")
    }
  }

  /// What is written again is read as the same.
  private static func merge(_ bytes: [UInt8]) {
    guard let document = try? GatewayDocument.parse(bytes, file: "fuzz.json") else { return }
    var text = ConfigurationText()
    text.add(document) { "\($0.location.line)" }
    do throws(ConfigurationError) {
      let again = try GatewayDocument.parse(Array(text.text.utf8), file: "again.json")
      demand(
        again.sessionRules.count == document.sessionRules.count && again.systemRules.count == document.systemRules.count
          && again.names?.entries.count == document.names?.entries.count, "what was written has other rules")
    } catch {
      fatalError("what was written is no document: \(error)")
    }
  }

  private static func compare(_ old: LoadedPolicy, _ new: LoadedPolicy) {
    for bus in GatewayBus.allCases {
      let rules = (old: old.policy(for: bus).rules, new: new.policy(for: bus).rules)
      if rules.old.count + rules.new.count > 2 * rulesMax { continue }
      if rules.old.contains(where: { $0.methods.count > 8 }) || rules.new.contains(where: { $0.methods.count > 8 }) { continue }
      for difference in PolicyComparison(from: rules.old, to: rules.new).differences {
        demand(!difference.example.description.isEmpty, "a difference that says nothing")
      }
      let same = PolicyComparison(from: rules.old, to: rules.old)
      demand(same.differences.isEmpty, "a policy differs from itself")
    }
    _ = NameDifference.differences(from: old.names, to: new.names)
  }

  // MARK: learn

  private static func learn(_ log: [UInt8]) {
    let (whole, pieces) = (read(log, by: max(1, log.count)), read(log, by: 7))
    demand(
      whole.tally.messageCount == pieces.tally.messageCount && whole.unreadable == pieces.unreadable
        && whole.lineCount == pieces.lineCount, "a log in pieces tells something else")
    var options = LearnOptions()
    options.buses = ["kitchen": .system, "": .session]
    for learnsDenied in [false, true] {
      options.learnsDenied = learnsDenied
      let policy = Learner.learn(from: whole.tally, options)
      demand(policy.replayed == policy.learned, "what was learned does not allow what was seen")
      _ = load(Array(policy.configuration.utf8))
      for item in policy.unlearnable {
        demand(item.problem.contains("expected"), "no word about what is expected: \(item.problem)")
      }
    }
  }

  private static func read(_ log: [UInt8], by chunk: Int) -> DecisionLogReader {
    var reader = DecisionLogReader()
    reader.begin(file: "fuzz.log")
    for start in stride(from: 0, to: log.count, by: chunk) { reader.feed(log[start..<min(log.count, start + chunk)]) }
    reader.end()
    return reader
  }

  // MARK: explain

  private static func explain(_ log: [UInt8], _ policy: Policy) {
    for line in log.split(separator: UInt8(ascii: "\n")).prefix(linesMax) {
      guard let decision = try? LogLine.decision(line) else { continue }
      tell { () throws(MessageQueryError) in try Explanation(MessageQuery(decision), by: policy) }
    }
    for direction in [Direction.outgoing, .incoming, nil] {
      tell { () throws(MessageQueryError) in try Explanation(log, MessageQuery(saved: log, direction: direction), by: policy) }
    }
  }

  private static func tell(_ explain: () throws(MessageQueryError) -> Explanation) {
    do throws(MessageQueryError) {
      let explanation = try explain()
      demand(!explanation.sentence.isEmpty, "an explanation that says nothing")
      demand(explanation.nearest == nil || !explanation.misses.isEmpty, "the nearest rule misses nothing")
      let suggestions = [explanation.suggestion != nil, explanation.suggestedNames != nil].count { $0 }
      demand(suggestions == 0 || suggestions == 1 && !explanation.verdict.passes, "two suggestions, or one for what passes")
    } catch {
      demand(!error.description.isEmpty, "an error that says nothing")
    }
  }
}
