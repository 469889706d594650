// The limits, as a table: what each bounds, its default, how it is set. The command line, the log and metrics have them by their names. A new
// limit is a case here and a row below; nothing else has a list of them.

import GateSession

/// A bound that the gate keeps to. The raw value is how it is written.
public enum LimitName: String, CaseIterable, Sendable {
  case authTimeout = "auth-timeout"
  case busConnectionsTotal = "bus-connections-total"
  case connectionsMax = "connections-max"
  case descriptors
  case drainTimeout = "drain-timeout"
  case fdsInFlightMax = "fds-in-flight-max"
  case fdsPerMessageMax = "fds-per-message-max"
  case headerBytesMax = "header-bytes-max"
  case helloPendingMax = "hello-pending-max"
  case helloTimeout = "hello-timeout"
  case inspectBytesMax = "inspect-bytes-max"
  case matchesMax = "matches-max"
  case matchesTotal = "matches-total"
  case messageBytesMax = "message-bytes-max"
  case namesMax = "names-max"
  case namesTotal = "names-total"
  case ownOutputBytesMax = "own-output-bytes-max"
  case ownersMax = "owners-max"
  case partialMessageTimeout = "partial-message-timeout"
  case pendingIncomingMax = "pending-incoming-max"
  case pendingIncomingPerCallerMax = "pending-incoming-per-caller-max"
  case pendingRepliesMax = "pending-replies-max"
  case pendingRepliesTotal = "pending-replies-total"
  case unauthenticatedMax = "unauthenticated-max"

  /// What there is to know of the limit.
  public var entry: Entry {
    switch self {
    case .authTimeout:
      Entry(
        "from accept to Hello (dbus-daemon)", standard: "30s",
        .time { $0.settings.limits.authTimeout = $1 })
    case .busConnectionsTotal:
      Entry(
        "connections to one bus at a time, of all gates; further clients are closed", standard: "512, 192 on a system bus",
        .count(max: 1_000_000) { $0.busConnectionsTotal = $1 })
    case .connectionsMax:
      Entry(
        "connections of a gate at a time; further clients are closed", standard: "128, 64 on a system bus",
        .count(max: 1_000_000) { $0.connectionsMax = $1 })
    case .descriptors:
      Entry("descriptors of the process: the one bound that is not ours (RLIMIT_NOFILE, or the kernel's)")
    case .drainTimeout:
      Entry(
        "until what a closed peer had sent, or a stopping gate has allowed, must be delivered", standard: "10s",
        .time { $0.settings.limits.drainTimeout = $1 })
    case .fdsInFlightMax:
      Entry(
        "descriptors of a connection that its receiver has not taken; more wait (dbus-daemon)",
        standard: "253, 64 on a system bus",
        .count(max: 1_000_000) { $0.descriptorsInFlightMax = $1 })
    case .fdsPerMessageMax:
      Entry(
        "descriptors of a message, 253 at most (dbus-daemon)", standard: "253, 16 on a system bus",
        .count(max: 253) { $0.settings.limits.descriptorsPerMessageMax = $1 })
    case .headerBytesMax:
      Entry(
        "bytes of a header: one read buffer", standard: "262144",
        .count(max: 262_144) { $0.settings.limits.headerBytesMax = $1 })
    case .helloPendingMax:
      Entry(
        "connections to one bus without a Hello at a time, of all gates; further clients wait", standard: "8",
        .count(max: 1_000_000) { $0.helloPendingMax = $1 })
    case .helloTimeout:
      Entry(
        "from the connection to the bus until Hello is answered", standard: "5s",
        .time { $0.settings.limits.helloTimeout = $1 })
    case .inspectBytesMax:
      Entry(
        "bytes of a message whose arguments are looked at: one read buffer", standard: "262144",
        .count(max: 262_144) { $0.settings.limits.inspectBytesMax = $1 })
    case .matchesMax:
      Entry(
        "match rules of a connection (dbus-daemon)", standard: "4096, 512 on a system bus",
        .count(max: 1_000_000) { $0.settings.limits.matchesMax = $1 })
    case .matchesTotal:
      Entry(
        "match rules of all connections of a gate", standard: "8192",
        .count(max: 1_000_000) { $0.matchesTotal = $1 })
    case .messageBytesMax:
      Entry(
        "bytes of a message (the specification)", standard: "134217728",
        .count(max: 134_217_728) { $0.settings.limits.messageBytesMax = $1 })
    case .namesMax:
      Entry(
        "names that a connection owns or waits for", standard: "512",
        .count(max: 1_000_000) { $0.settings.limits.namesMax = $1 })
    case .namesTotal:
      Entry(
        "names that connections of a gate own or wait for", standard: "1024",
        .count(max: 1_000_000) { $0.namesTotal = $1 })
    case .ownOutputBytesMax:
      Entry(
        "bytes of errors that a side has not taken; then it is not read", standard: "65536",
        .count(max: 16_777_216) { $0.settings.limits.ownOutputBytesMax = $1 })
    case .ownersMax:
      Entry(
        "owners, names and callers that are followed for a connection whose policy has names", standard: "4096",
        .count(max: 1_000_000) { $0.settings.limits.ownersMax = $1 })
    case .partialMessageTimeout:
      Entry(
        "how long an unfinished message may keep the gate's errors waiting for its sender", standard: "30s",
        .time { $0.settings.limits.partialMessageTimeout = $1 })
    case .pendingIncomingMax:
      Entry(
        "incoming calls without an answer, of a connection; above three quarters no caller gets more than its share",
        standard: "50000, 4096 on a system bus",
        .count(max: 1_000_000) { $0.settings.limits.incomingCallsMax = $1 })
    case .pendingIncomingPerCallerMax:
      Entry(
        "incoming calls without an answer, of one caller (dbus-daemon)", standard: "50000, 128 on a system bus",
        .count(max: 1_000_000) { $0.settings.limits.incomingCallsPerCallerMax = $1 })
    case .pendingRepliesMax:
      Entry(
        "outgoing calls without an answer (dbus-daemon)", standard: "50000, 128 on a system bus",
        .count(max: 1_000_000) { $0.settings.limits.pendingRepliesMax = $1 })
    case .pendingRepliesTotal:
      Entry(
        "calls without an answer, of all connections of a gate, in each direction; half of it is divided among connections-max",
        standard: "100000",
        .count(max: 1_000_000) { $0.pendingRepliesTotal = $1 })
    case .unauthenticatedMax:
      Entry(
        "clients that have not said Hello; further ones wait, and who is silent for 1s gives way to them (dbus-daemon)",
        standard: "64",
        .count(max: 1_000_000) { $0.unauthenticatedMax = $1 })
    }
  }

  /// The reason of a verdict that says the limit was hit, where one does.
  var reason: Verdict.Reason? {
    Verdict.Reason.allCases.first { $0.entry.limit?.description == name }
  }

  /// The limit that ends a connection for `reason`, where it is one.
  init?(_ reason: CloseReason) {
    switch reason {
    case .authTimeout: self = .authTimeout
    case .helloTimeout: self = .helloTimeout
    case .partialMessageTimeout, .mutualWait: self = .partialMessageTimeout
    case .drainTimeout: self = .drainTimeout
    case .endOfStream, .malformed, .descriptorMismatch, .handshake, .busChanged, .namesNotFollowed, .monitorRevoked,
      .nameNotReleased:
      return nil
    }
  }
}
