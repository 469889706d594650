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
    guard let flag = all.first(where: { $0.name == name }) else {
      throw UsageError("unknown argument \"\(name)\", expected one of those that busgate --help lists")
    }
    if flag.expected.isEmpty { return try flag.take(&options, FlagValue(flag: flag, text: "")) }
    guard let text = rest.popFirst(), !text.isEmpty else { throw UsageError("\(name): no value, expected \(flag.expected)") }
    try flag.take(&options, FlagValue(flag: flag, text: text))
  }

  /// The flags for people, a line each.
  static var help: String {
    all.map { flag in
      let head = "  \(flag.name)\(flag.value.isEmpty ? "" : " " + flag.value)"
      return head + String(repeating: " ", count: max(2, 33 - head.count)) + flag.meaning
    }.joined(separator: "\n")
  }

  /// A table for programs; nil if there is no such table.
  static func table(_ name: String) -> String? {
    switch name {
    case "flags": all.map { "\($0.name)\t\($0.value)\t\($0.meaning)" }.joined(separator: "\n")
    case "limits": LimitName.settable.map { "\($0.name)\t\($0.entry.standard)\t\($0.entry.meaning)" }.joined(separator: "\n")
    case "metrics": MetricFamily.all.map { "\($0.name)\t\($0.kind)\t\($0.help)" }.joined(separator: "\n")
    case "reasons": Verdict.Reason.allCases.map { "\($0.word)\t\($0.entry.meaning)" }.joined(separator: "\n")
    case "log-keys": LogKey.allCases.map { "\($0.rawValue)\t\($0.meaning)" }.joined(separator: "\n")
    default: nil
    }
  }
}
