// `--limit NAME=VALUE`: the limits of the contract by their names, as data.

import GateServer

/// The limits that can be set on the command line.
enum LimitFlag {
  enum Setting: Sendable {
    /// A number of things or bytes, at least 1.
    case count(@Sendable (inout GateOptions, Int) -> Void, max: Int)
    /// A time in milliseconds.
    case time(@Sendable (inout GateOptions, UInt64) -> Void)
  }

  /// Sorted by name.
  static let all: [(name: String, setting: Setting)] = [
    ("auth-timeout", .time { $0.settings.limits.authTimeout = $1 }),
    ("connections-max", .count({ $0.connectionsMax = $1 }, max: 1_000_000)),
    ("drain-timeout", .time { $0.settings.limits.drainTimeout = $1 }),
    ("fds-in-flight-max", .count({ $0.descriptorsInFlightMax = $1 }, max: 1_000_000)),
    ("fds-per-message-max", .count({ $0.settings.limits.descriptorsPerMessageMax = $1 }, max: 253)),
    ("header-bytes-max", .count({ $0.settings.limits.headerBytesMax = $1 }, max: 262_144)),
    ("hello-pending-max", .count({ $0.helloPendingMax = $1 }, max: 1_000_000)),
    ("hello-timeout", .time { $0.settings.limits.helloTimeout = $1 }),
    ("inspect-bytes-max", .count({ $0.settings.limits.inspectBytesMax = $1 }, max: 262_144)),
    ("matches-max", .count({ $0.settings.limits.matchesMax = $1 }, max: 1_000_000)),
    ("message-bytes-max", .count({ $0.settings.limits.messageBytesMax = $1 }, max: 134_217_728)),
    ("names-max", .count({ $0.settings.limits.namesMax = $1 }, max: 1_000_000)),
    ("own-output-bytes-max", .count({ $0.settings.limits.ownOutputBytesMax = $1 }, max: 16_777_216)),
    ("partial-message-timeout", .time { $0.settings.limits.partialMessageTimeout = $1 }),
    ("pending-incoming-max", .count({ $0.settings.limits.incomingCallsMax = $1 }, max: 1_000_000)),
    ("pending-incoming-per-caller-max", .count({ $0.settings.limits.incomingCallsPerCallerMax = $1 }, max: 1_000_000)),
    ("pending-replies-max", .count({ $0.settings.limits.pendingRepliesMax = $1 }, max: 1_000_000)),
    ("unauthenticated-max", .count({ $0.unauthenticatedMax = $1 }, max: 1_000_000)),
  ]

  /// What `text` ("NAME=VALUE") asks for, to be applied to each gate.
  static func parse(_ text: String) throws(UsageError) -> (inout GateOptions) -> Void {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2 else { throw UsageError("--limit \"\(text)\": expected NAME=VALUE") }
    guard let entry = all.first(where: { $0.name == parts[0] }) else {
      throw UsageError("--limit \"\(parts[0])\": no such limit, expected one of \(all.map(\.name).joined(separator: ", "))")
    }
    switch entry.setting {
    case .count(let set, let max):
      guard let value = Int(parts[1]), value >= 1, value <= max else {
        throw UsageError("--limit \(entry.name)=\(parts[1]): expected a number from 1 to \(max)")
      }
      return { set(&$0, value) }
    case .time(let set):
      guard let value = milliseconds(parts[1]) else {
        throw UsageError("--limit \(entry.name)=\(parts[1]): expected a time such as 30s or 500ms, at least 1ms, at most 1 day")
      }
      return { set(&$0, value) }
    }
  }

  private static func milliseconds(_ text: String) -> UInt64? {
    let value: UInt64?
    if text.hasSuffix("ms") {
      value = UInt64(text.dropLast(2))
    } else if text.hasSuffix("s") {
      value = UInt64(text.dropLast()).flatMap { $0 <= 86_400 ? $0 * 1000 : nil }
    } else {
      value = nil
    }
    return value.flatMap { $0 >= 1 && $0 <= 86_400_000 ? $0 : nil }
  }
}
