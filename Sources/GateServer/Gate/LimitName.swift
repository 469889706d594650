// The limits that can be hit, by the names that people use on the command line, in the log, in metrics: what metrics count.

import GateSession

/// A bound that the gate keeps to. The raw value is its place among all of them, sorted by name.
public enum LimitName: Int, CaseIterable, Sendable {
  /// Time until a client has authenticated.
  case authTimeout
  /// Connections to one bus, of all gates.
  case busConnectionsTotal
  /// Connections of a gate.
  case connectionsMax
  /// Descriptors of the process: the one bound that is not ours (RLIMIT_NOFILE, or the kernel's), and has no flag.
  case descriptors
  /// Time for delivering what a closed peer had sent.
  case drainTimeout
  /// Descriptors on their way to a receiver that has not taken them.
  case fdsInFlightMax
  /// Descriptors of one message.
  case fdsPerMessageMax
  /// Bytes of a header.
  case headerBytesMax
  /// Connections to the bus without a Hello.
  case helloPendingMax
  /// Time until Hello is answered.
  case helloTimeout
  /// Bytes of a message that is looked into.
  case inspectBytesMax
  /// Match rules of a connection.
  case matchesMax
  /// Match rules of all connections of a gate.
  case matchesTotal
  /// Bytes of a message.
  case messageBytesMax
  /// Well-known names of a connection.
  case namesMax
  /// Well-known names of all connections of a gate.
  case namesTotal
  /// Bytes of error replies that wait for one peer.
  case ownOutputBytesMax
  /// Owners and names that are followed for a connection.
  case ownersMax
  /// Time that an unfinished message may keep others waiting.
  case partialMessageTimeout
  /// Incoming calls without an answer.
  case pendingIncomingMax
  /// Incoming calls without an answer, of one caller.
  case pendingIncomingPerCallerMax
  /// Outgoing calls without an answer.
  case pendingRepliesMax
  /// Calls without an answer, of all connections of a gate.
  case pendingRepliesTotal
  /// Connections that have not authenticated.
  case unauthenticatedMax

  /// As it is written: `auth-timeout`.
  public var name: String {
    switch self {
    case .authTimeout: "auth-timeout"
    case .busConnectionsTotal: "bus-connections-total"
    case .connectionsMax: "connections-max"
    case .descriptors: "descriptors"
    case .drainTimeout: "drain-timeout"
    case .fdsInFlightMax: "fds-in-flight-max"
    case .fdsPerMessageMax: "fds-per-message-max"
    case .headerBytesMax: "header-bytes-max"
    case .helloPendingMax: "hello-pending-max"
    case .helloTimeout: "hello-timeout"
    case .inspectBytesMax: "inspect-bytes-max"
    case .matchesMax: "matches-max"
    case .matchesTotal: "matches-total"
    case .messageBytesMax: "message-bytes-max"
    case .namesMax: "names-max"
    case .namesTotal: "names-total"
    case .ownOutputBytesMax: "own-output-bytes-max"
    case .ownersMax: "owners-max"
    case .partialMessageTimeout: "partial-message-timeout"
    case .pendingIncomingMax: "pending-incoming-max"
    case .pendingIncomingPerCallerMax: "pending-incoming-per-caller-max"
    case .pendingRepliesMax: "pending-replies-max"
    case .pendingRepliesTotal: "pending-replies-total"
    case .unauthenticatedMax: "unauthenticated-max"
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
