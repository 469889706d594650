// A flag of `busgate run`: what the help and the operators' tables say of it, and what it does. Which there are stands in RunFlags.swift.

import GateServer
import GateSession

/// A flag, what it means and what it does.
struct RunFlag: Sendable {
  let name: String
  /// What follows it, for people; empty if nothing does.
  let value: String
  let meaning: String
  /// What is said to be expected where nothing follows; empty: nothing that follows is looked at.
  let expected: String
  /// Puts it into the options. Throws what is wrong and what was expected.
  let take: @Sendable (inout RunOptions, FlagValue) throws(UsageError) -> Void

  @inline(__always)
  init(
    _ name: String, _ value: String, _ meaning: String, expected: String = "",
    _ take: @escaping @Sendable (inout RunOptions, FlagValue) throws(UsageError) -> Void
  ) {
    self.name = name
    self.value = value
    self.meaning = meaning
    self.expected = expected
    self.take = take
  }

  /// Puts the flag `name` and what follows it into `options`.
  static func take(_ name: String, _ rest: inout ArraySlice<String>, into options: inout RunOptions) throws(UsageError) {
    let flags = all.span
    guard let index = place(of: name, in: flags) else {
      throw UsageError("unknown argument \"\(name)\", expected one of those that busgate --help lists")
    }
    let expected = flags[index].expected
    var text = ""
    if !expected.isEmpty {
      guard let next = rest.popFirst(), !next.isEmpty else { throw UsageError("\(name): no value, expected \(expected)") }
      text = next
    }
    try flags[index].take(&options, FlagValue(flag: name, text: text, expected: expected))
  }

  private static func place(of name: String, in flags: Span<RunFlag>) -> Int? {
    for index in flags.indices where flags[index].name == name { return index }
    return nil
  }

  /// The flags for people, a line each.
  static var help: String {
    lines { flag in
      let head = "  \(flag.name)\(flag.value.isEmpty ? "" : " " + flag.value)"
      return head + String(repeating: " ", count: max(2, 33 - head.count)) + flag.meaning
    }
  }

  private static func lines(_ line: (RunFlag) -> String) -> String { all.indices.map { line(all[$0]) }.joined(separator: "\n") }

  /// A table for programs; nil if there is no such table.
  static func table(_ name: String) -> String? {
    switch name {
    case "flags": lines { "\($0.name)\t\($0.value)\t\($0.meaning)" }
    case "limits": LimitName.settable.map { "\($0.name)\t\($0.entry.standard)\t\($0.entry.meaning)" }.joined(separator: "\n")
    case "metrics": MetricFamily.all.map { "\($0.name)\t\($0.kind)\t\($0.help)" }.joined(separator: "\n")
    case "reasons": Verdict.Reason.allCases.map { "\($0.word)\t\($0.entry.meaning)" }.joined(separator: "\n")
    case "log-keys": LogKey.allCases.map { "\($0.rawValue)\t\($0.meaning)" }.joined(separator: "\n")
    default: nil
    }
  }
}
