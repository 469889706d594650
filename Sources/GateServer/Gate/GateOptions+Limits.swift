// Limits by their names: one value as people write it, parsed and checked, for one gate or for all that are still to be made.

import GatePolicy

extension GateOptions {
  /// Sets the limit `name`, such as `auth-timeout`, to `value`, such as `10s`. Throws what is wrong and what was expected: there is no such
  /// limit, or it does not take that value.
  public mutating func setLimit(_ name: String, to value: String) throws(UsageError) { try Self.limit(name, to: value)(&self) }

  /// What sets the limit `name` to `value`, to be applied to each gate.
  package static func limit(_ name: String, to value: String) throws(UsageError) -> (inout GateOptions) -> Void {
    let limit = LimitName.allCases.first { $0.name == name }
    switch limit?.entry.setting ?? .fixed {
    case .count(let max, let set):
      guard let number: Int = plainNumber(value), number >= 1, number <= max else {
        throw UsageError("\(name)=\(value): expected a number from 1 to \(max)")
      }
      return { set(&$0, number) }
    case .time(let set):
      guard let time = milliseconds(value) else {
        throw UsageError("\(name)=\(value): expected a time such as 30s or 500ms, at least 1ms, at most 1 day")
      }
      return { set(&$0, time) }
    case .fixed:
      let names = LimitName.settable.map(\.name)
      let meant = nearest(to: Array(name.utf8), among: names) ?? "one of \(names.joined(separator: ", "))"
      throw UsageError("\"\(name)\": no such limit, expected \(meant)")
    }
  }

  private static func milliseconds(_ text: String) -> UInt64? {
    let value: UInt64?
    if text.hasSuffix("ms") {
      value = plainNumber(text.dropLast(2))
    } else if text.hasSuffix("s") {
      value = plainNumber(text.dropLast()).flatMap { (seconds: UInt64) in seconds <= 86_400 ? seconds * 1000 : nil }
    } else {
      value = nil
    }
    return value.flatMap { $0 >= 1 && $0 <= 86_400_000 ? $0 : nil }
  }
}
