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

  /// A limit: its name, its default as people write it, what it bounds and where the number comes from, how it is set.
  struct Limit: Sendable {
    let name: String
    let standard: String
    let meaning: String
    let setting: Setting

    init(_ name: String, _ standard: String, _ meaning: String, _ setting: Setting) {
      self.name = name
      self.standard = standard
      self.meaning = meaning
      self.setting = setting
    }
  }

  /// Sorted by name.
  static let all: [Limit] = [
    Limit("auth-timeout", "30s", "from accept to BEGIN (dbus-daemon)", .time { $0.settings.limits.authTimeout = $1 }),
    Limit(
      "connections-max", "1024", "connections of a gate at a time; further clients are closed",
      .count({ $0.connectionsMax = $1 }, max: 1_000_000)),
    Limit(
      "drain-timeout", "10s", "until what a closed peer had sent, or a stopping gate has allowed, must be delivered",
      .time { $0.settings.limits.drainTimeout = $1 }),
    Limit(
      "fds-in-flight-max", "64", "descriptors of a connection that its receiver has not taken; more wait (dbus-daemon)",
      .count({ $0.descriptorsInFlightMax = $1 }, max: 1_000_000)),
    Limit(
      "fds-per-message-max", "16", "descriptors of a message, 253 at most (dbus-daemon)",
      .count({ $0.settings.limits.descriptorsPerMessageMax = $1 }, max: 253)),
    Limit(
      "header-bytes-max", "262144", "bytes of a header: one read buffer",
      .count({ $0.settings.limits.headerBytesMax = $1 }, max: 262_144)),
    Limit(
      "hello-pending-max", "8", "connections to the bus without a Hello at a time; further clients wait",
      .count({ $0.helloPendingMax = $1 }, max: 1_000_000)),
    Limit(
      "hello-timeout", "5s", "from the connection to the bus until Hello is answered",
      .time { $0.settings.limits.helloTimeout = $1 }),
    Limit(
      "inspect-bytes-max", "262144", "bytes of a message whose arguments are looked at: one read buffer",
      .count({ $0.settings.limits.inspectBytesMax = $1 }, max: 262_144)),
    Limit(
      "matches-max", "512", "match rules of a connection (dbus-daemon)",
      .count({ $0.settings.limits.matchesMax = $1 }, max: 1_000_000)),
    Limit(
      "message-bytes-max", "134217728", "bytes of a message (the specification)",
      .count({ $0.settings.limits.messageBytesMax = $1 }, max: 134_217_728)),
    Limit(
      "names-max", "64", "names that a connection owns or waits for", .count({ $0.settings.limits.namesMax = $1 }, max: 1_000_000)
    ),
    Limit(
      "own-output-bytes-max", "65536", "bytes of errors that a side has not taken; then it is not read",
      .count({ $0.settings.limits.ownOutputBytesMax = $1 }, max: 16_777_216)),
    Limit(
      "owners-max", "4096", "owners, names and callers that are followed for a connection whose policy has names",
      .count({ $0.settings.limits.ownersMax = $1 }, max: 1_000_000)),
    Limit(
      "partial-message-timeout", "30s", "how long an unfinished message may keep the gate's errors waiting for its sender",
      .time { $0.settings.limits.partialMessageTimeout = $1 }),
    Limit(
      "pending-incoming-max", "50000, 4096 on a system bus",
      "incoming calls without an answer, of a connection; above three quarters no caller gets more than its share",
      .count({ $0.settings.limits.incomingCallsMax = $1 }, max: 1_000_000)),
    Limit(
      "pending-incoming-per-caller-max", "50000, 128 on a system bus",
      "incoming calls without an answer, of one caller (dbus-daemon)",
      .count({ $0.settings.limits.incomingCallsPerCallerMax = $1 }, max: 1_000_000)),
    Limit(
      "pending-replies-max", "50000, 128 on a system bus", "outgoing calls without an answer (dbus-daemon)",
      .count({ $0.settings.limits.pendingRepliesMax = $1 }, max: 1_000_000)),
    Limit(
      "pending-replies-total", "100000",
      "calls without an answer, of all connections of a gate, in each direction; half of it is divided among connections-max",
      .count({ $0.pendingRepliesTotal = $1 }, max: 1_000_000)),
    Limit(
      "unauthenticated-max", "64", "clients that have not authenticated; the oldest gives way (dbus-daemon)",
      .count({ $0.unauthenticatedMax = $1 }, max: 1_000_000)),
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
      guard let value: Int = plainNumber(parts[1]), value >= 1, value <= max else {
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
      value = plainNumber(text.dropLast(2))
    } else if text.hasSuffix("s") {
      value = plainNumber(text.dropLast()).flatMap { (seconds: UInt64) in seconds <= 86_400 ? seconds * 1000 : nil }
    } else {
      value = nil
    }
    return value.flatMap { $0 >= 1 && $0 <= 86_400_000 ? $0 : nil }
  }
}
