// A flag of `busgate run`: what the help and the operators' tables say of it, and what it does. Which there are stands in RunFlags.swift.

import GatePolicy
import GateServer
import GateSession

/// A flag, what it means and what it does.
struct RunFlag: Sendable {
  /// What flags are about. The raw value is a heading of the help, which has them in this order.
  enum Group: String, CaseIterable, Sendable {
    case policy = "Policy"
    case gates = "Gates"
    case bus = "Buses"
    case log = "Decisions and the log"
    case supervision = "Supervision"
    case help = "Help"
  }

  let group: Group
  let name: String
  /// What follows it, for people; empty if nothing does.
  let value: String
  let meaning: String
  /// What is said to be expected where nothing follows; empty: it takes no value.
  let expected: String
  /// Puts it into the options. Throws what is wrong and what was expected.
  let take: @Sendable (inout RunOptions, FlagValue) throws(UsageError) -> Void

  @inline(__always)
  init(
    _ group: Group, _ name: String, _ value: String, _ meaning: String, expected: String = "",
    _ take: @escaping @Sendable (inout RunOptions, FlagValue) throws(UsageError) -> Void
  ) {
    self.group = group
    self.name = name
    self.value = value
    self.meaning = meaning
    self.expected = expected
    self.take = take
  }

  /// Puts the flag that `word` begins with, and what follows it, into `options`: `--flag VALUE` or `--flag=VALUE`.
  static func take(_ word: String, _ rest: inout ArraySlice<String>, into options: inout RunOptions) throws(UsageError) {
    let parts = FlagWord(word)
    let flags = all.span
    guard let index = place(of: parts.name, in: flags) else { throw unknown(word, parts.name) }
    let expected = flags[index].expected
    if expected.isEmpty, parts.value != nil { throw UsageError("\"\(word)\": it takes no value, expected \(parts.name) alone") }
    var text = ""
    if !expected.isEmpty {
      guard let next = parts.value ?? rest.popFirst(), !next.isEmpty else {
        throw UsageError("\(parts.name): no value, expected \(expected)")
      }
      text = next
    }
    try flags[index].take(&options, FlagValue(flag: parts.name, text: text, expected: expected))
  }

  private static func unknown(_ word: String, _ name: String) -> UsageError {
    let names = all.indices.map { all[$0].name }
    let meant = nearest(to: Array(name.utf8), among: names) ?? "one of the flags"
    return UsageError("unknown argument \"\(word)\", expected \(meant)")
  }

  private static func place(of name: String, in flags: Span<RunFlag>) -> Int? {
    for index in flags.indices where flags[index].name == name { return index }
    return nil
  }

  /// The flags for people, in groups.
  static var help: String {
    Group.allCases.map { group in
      let rows = all.indices.map({ all[$0] }).filter { $0.group == group }
      return HelpText.section(
        group.rawValue, rows.map { (head: $0.value.isEmpty ? $0.name : "\($0.name) \($0.value)", text: $0.meaning) })
    }.joined(separator: "\n\n")
  }

  private static func lines(_ line: (RunFlag) -> String) -> String { all.indices.map { line(all[$0]) }.joined(separator: "\n") }

  /// The tables that `--list` prints.
  static let tables = ["flags", "limits", "metrics", "log-keys", "reasons", "message-ids"]

  /// Prints the table that the words behind `--list` name; its exit status.
  static func list(_ words: [String]) -> Int32 {
    guard words.count == 1, let table = table(words[0]) else {
      let meant = words.count == 1 ? nearest(to: Array(words[0].utf8), among: tables) : nil
      let got = words.isEmpty ? "no table" : "\"\(words.joined(separator: " "))\""
      let expected = meant ?? "\(tables.dropLast().joined(separator: ", ")) or \(tables.last ?? "")"
      printError("busgate --list: \(got), expected \(expected)")
      return ExitStatus.usage
    }
    print(table)
    return ExitStatus.success
  }

  /// A table for programs; nil if there is no such table.
  private static func table(_ name: String) -> String? {
    switch name {
    case "flags": lines { "\($0.name)\t\($0.value)\t\($0.meaning)\t\($0.group.rawValue)" }
    case "limits": LimitName.settable.map { "\($0.name)\t\($0.entry.standard)\t\($0.entry.meaning)" }.joined(separator: "\n")
    case "metrics": MetricFamily.all.map { "\($0.name)\t\($0.kind)\t\($0.help)" }.joined(separator: "\n")
    case "reasons": Verdict.Reason.allCases.map { "\($0.word)\t\($0.entry.meaning)" }.joined(separator: "\n")
    case "message-ids": MessageID.allCases.map { "\($0.rawValue)\t\($0.meaning)" }.joined(separator: "\n")
    case "log-keys": LogKey.allCases.map { "\($0.rawValue)\t\($0.meaning)" }.joined(separator: "\n")
    default: nil
    }
  }
}
