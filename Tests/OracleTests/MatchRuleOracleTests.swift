// Match rules: neither bus has a parser that can be called, so they are asked over their sockets. What busgate accepts they both accept,
// and to both it is the rule that busgate's one spelling of it is, and no other.

import DBusWire
import Testing

@Suite("match rules, as dbus-daemon and dbus-broker read them", .serialized)
struct MatchRuleOracleTests {
  private static let keys = [
    "type", "sender", "interface", "member", "path", "path_namespace", "destination", "eavesdrop", "arg0", "arg1", "arg63",
    "arg64",
    "arg0path", "arg1path", "arg0namespace", "arg1namespace", "arg01", "arg", "arg0x1", "Type", "typ", "eaves", "arg2", "arg3",
  ]
  private static let values = [
    "signal", "method_call", "method_return", "error", "Signal", ":1.42", "com.example.Open", "com.example", "com", "/", "/a/b",
    "/a/",
    "true", "false", "Member", "", "a,b", "a b", "it\\'s", "\\", "\\\\", "x'y'z", "\u{E9}", "org.freedesktop.DBus", "*", "9",
    "a.9", "a-b.c",
  ]
  /// For each key, what it is mostly about, so that half of the rules are ones.
  private static let fitting: [String: [String]] = [
    "type": ["signal", "method_call", "method_return", "error"], "sender": [":1.42", "com.example.Open", "a-b.c"],
    "interface": ["com.example.Open"], "member": ["Member"], "path": ["/", "/a/b"], "path_namespace": ["/", "/a/b"],
    "destination": [":1.42", "com.example"], "eavesdrop": ["false"], "arg0namespace": ["com", "com.example"],
  ]

  /// A text that is about a match rule.
  private static func text(_ generator: inout SeededGenerator) -> [UInt8] {
    var text = ""
    for index in 0..<(generator.oneIn(50) ? generator.below(18) : generator.below(4)) {
      if index > 0 || generator.oneIn(30) { text += generator.oneIn(40) ? ",," : "," }
      text += generator.pick(["", "", "", "", " ", "\t", "\n", "\r", "="].dropLast(generator.oneIn(20) ? 0 : 1))
      let key = generator.pick(generator.oneIn(3) ? keys : Array(keys[..<11]))
      text += key + generator.pick(["", "", "", "", "", " ", "\t"])
      text += generator.oneIn(60) ? "" : generator.oneIn(60) ? "==" : "="
      let value = generator.pick(generator.oneIn(4) ? values : fitting[key] ?? values)
      text += generator.oneIn(3) ? value : generator.oneIn(30) ? "'\(value)" : "'\(value)'"
      text += generator.oneIn(40) ? " " : ""
    }
    if generator.oneIn(10) { text += "," }
    var bytes = Array(text.utf8)
    while generator.oneIn(8), !bytes.isEmpty {
      let place = generator.below(bytes.count)
      switch generator.below(3) {
      case 0: bytes[place] = generator.pick(Array("=,'\\ \t\ne0/.".utf8))
      case 1: bytes.remove(at: place)
      default: bytes.insert(generator.pick(Array("=,'\\ \tx1".utf8)), at: place)
      }
    }
    // A bus would end the connection over a string that is none.
    return UTF8Grammar.isValid(bytes.span.bytes) ? bytes : Array(text.utf8)
  }

  private struct Case {
    var text: [UInt8]
    var rule: Result<MatchRule, MatchRuleError>
  }

  private static func nextCase(_ generator: inout SeededGenerator) -> Case {
    let text = text(&generator)
    do {
      return Case(text: text, rule: .success(try MatchRule(parsing: text.span.bytes)))
    } catch {
      return Case(text: text, rule: .failure(error))
    }
  }

  /// For each case whether the bus adds it, whether it then removes another rule, and whether it removes it in its one spelling.
  private static func answers(_ socket: BusSocket, _ cases: [Case], others: [[UInt8]]) throws -> [[String?]] {
    var bytes: [UInt8] = [], serial: UInt32 = 10
    for (one, other) in zip(cases, others) {
      bytes += driverCall("AddMatch", serial: serial, one.text)
      var spelling = one.text
      if case .success(let rule) = one.rule { spelling = rule.canonicalText }
      bytes += driverCall("RemoveMatch", serial: serial + 1, other)
      bytes += driverCall("RemoveMatch", serial: serial + 2, spelling)
      serial += 3
    }
    try socket.write(bytes)
    return try cases.indices.map { _ in
      try (0..<3).map { _ in
        let answer = try socket.answer()
        return answer.error
      }
    }
  }

  private static let invalid = "org.freedesktop.DBus.Error.MatchRuleInvalid"
  private static let notFound = "org.freedesktop.DBus.Error.MatchRuleNotFound"

  @Test(
    "both buses take what busgate takes, and to both it is the one spelling and no other rule", arguments: PrivateBus.programs)
  func buses(program: String) throws {
    let bus = try PrivateBus(program)
    let socket = try BusSocket(bus.path)
    try socket.register()
    var generator = SeededGenerator(purpose: 50), findings = Findings(), accepted = 0
    var other: [UInt8] = Array("arg7='nobody'".utf8)
    for _ in 0..<OracleRun.count(1500) {
      let cases = (0..<40).map { _ in Self.nextCase(&generator) }
      var others: [[UInt8]] = []
      for one in cases {
        others.append(other)
        if case .success(let rule) = one.rule, !rule.asksToEavesdrop { other = rule.canonicalText }
      }
      for (index, answers) in try Self.answers(socket, cases, others: others).enumerated() {
        findings.compare()
        judge(cases[index], others[index], answers, program, &accepted, &findings)
      }
    }
    #expect(accepted > findings.cases / 10)
    let listed: [Disagreement] =
      program == "dbus-broker" ? [.noEavesdropKey, .strayEquals] : [.argumentNumber, .backslash, .strayEquals]
    findings.finish("match rules, \(program) (\(accepted) accepted by both)", expected: listed)
  }

  /// Texts that busgate refuses, and whether the buses take them.
  private static let refused: [(text: String, disagreement: Disagreement, daemon: Bool, broker: Bool)] = [
    ((0...16).map { "arg\($0)=a" }.joined(separator: ","), .manyKeys, true, true),
    ("arg0=\\,member=M", .backslash, true, true), ("arg0=a\\\\,member=M", .backslash, true, true),
    ("=,eavesdrop=true", .strayEquals, true, false), ("=member=M", .strayEquals, true, true),
    ("arg0x1=a", .argumentNumber, true, false), ("arg010=a", .argumentNumber, true, false),
    ("arg=a", .argumentNumber, false, true),
  ]

  @Test(
    "what is refused because one bus reads it in another way than the other, or than it says, is taken by one",
    arguments: PrivateBus.programs)
  func refused(program: String) throws {
    let bus = try PrivateBus(program)
    let socket = try BusSocket(bus.path)
    try socket.register()
    for (index, one) in Self.refused.enumerated() {
      let text = Array(one.text.utf8)
      #expect(throws: MatchRuleError.self) { try MatchRule(parsing: text.span.bytes) }
      try socket.write(driverCall("AddMatch", serial: UInt32(10 + index), text))
      let isTaken = try socket.answer().error == nil
      #expect(isTaken == (program == "dbus-daemon" ? one.daemon : one.broker), "\(one.text): \(one.disagreement.rawValue)")
    }
  }

  private func judge(
    _ one: Case, _ other: [UInt8], _ answers: [String?], _ program: String, _ accepted: inout Int, _ findings: inout Findings
  ) {
    switch one.rule {
    case .failure(let error):
      guard answers[0] == nil else { return }
      if let known = Self.known(error, one.text) {
        findings.count(known)
      } else {
        findings.tell("\(error), \(program) takes it", one.text)
      }
    case .success(let rule) where rule.asksToEavesdrop:
      // Refused by the gate whatever the bus would say.
      break
    case .success(let rule):
      if let error = answers[0] {
        if program == "dbus-broker" && error == Self.invalid && Self.hasEavesdropKey(one.text) {
          findings.count(.noEavesdropKey)
        } else {
          findings.tell("taken, \(program) says \(error)", one.text)
        }
        return
      }
      accepted += 1
      if other == rule.canonicalText {
        if answers[1] != nil { findings.tell("\(program) removes not what it is", one.text) }
      } else {
        if answers[1] == nil && program == "dbus-daemon"
          && Self.withoutNamespace(other) == Self.withoutNamespace(rule.canonicalText)
        {
          return findings.count(.pathNamespaceNotCompared)
        }
        if answers[1] != Self.notFound {
          findings.tell("\(program) finds it as \(String(decoding: other, as: UTF8.self))", one.text)
        }
        if answers[2] != nil { findings.tell("\(program) does not find it in its one spelling: \(answers[2]!)", one.text) }
      }
    }
  }

  /// The keys of a rule in its one spelling, as far as dbus-daemon compares them. A quoted `,path_namespace=` costs a case, no more.
  private static func withoutNamespace(_ text: [UInt8]) -> [Substring] {
    let keys = String(decoding: text, as: UTF8.self).split(separator: ",", omittingEmptySubsequences: false)
    return keys.map { $0.hasPrefix("path_namespace=") ? "path_namespace" : $0 }
  }

  /// What MatchRule says of itself: texts that one bus takes and that are refused, because the other reads them in another way.
  private static func known(_ error: MatchRuleError, _ text: [UInt8]) -> Disagreement? {
    switch error {
    case .ambiguousBackslash: .backslash
    case .tooManyKeys: .manyKeys
    case .noKey: .strayEquals
    case .unknownKey(let offset): text[offset...].starts(with: "arg".utf8) ? .argumentNumber : nil
    case .value(let offset):
      // sender and destination; quotes don't matter.
      lacksElements(text[offset...].prefix { $0 != UInt8(ascii: ",") }.filter { $0 != UInt8(ascii: "'") }[...])
        ? .uniqueNameElements : nil
    case .repeatedKey, .noValue, .openQuote, .nul, .tooLong: nil
    }
  }

  /// Whether `text`, which busgate takes, has the key. A quoted `eavesdrop` is not looked for closely: it costs a case, no more.
  private static func hasEavesdropKey(_ text: [UInt8]) -> Bool { String(decoding: text, as: UTF8.self).contains("eavesdrop") }
}
