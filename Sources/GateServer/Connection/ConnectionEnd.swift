// Why connections end, in one word each: what metrics tell apart. The log has the sentence.

import GateSession

/// A reason for which a connection ended. The raw value is its place among all of them.
enum ConnectionEnd: Int, CaseIterable {
  case clientClosed, busClosed
  case clientMalformed, busMalformed
  case clientDescriptors, busDescriptors
  case clientHandshake, busHandshake
  case authTimeout, helloTimeout, partialMessageTimeout, drainTimeout
  case busChanged, busUnreachable
  case namesNotFollowed
  case monitorRevoked
  case nameNotReleased
  /// Evicted: too many others had not authenticated either.
  case evicted
  /// There are as many connections to the bus as there may be.
  case busConnectionsTotal
  /// The gate was stopped.
  case stopped
  /// A system call failed, or nothing better is known.
  case error

  init(_ reason: CloseReason) {
    switch reason {
    case .endOfStream(let side): self = side == .client ? .clientClosed : .busClosed
    case .malformed(let side, _): self = side == .client ? .clientMalformed : .busMalformed
    case .descriptorMismatch(let side): self = side == .client ? .clientDescriptors : .busDescriptors
    case .handshake(let side, _): self = side == .client ? .clientHandshake : .busHandshake
    case .authTimeout: self = .authTimeout
    case .helloTimeout: self = .helloTimeout
    case .partialMessageTimeout, .mutualWait: self = .partialMessageTimeout
    case .drainTimeout: self = .drainTimeout
    case .busChanged: self = .busChanged
    case .namesNotFollowed: self = .namesNotFollowed
    case .monitorRevoked: self = .monitorRevoked
    case .nameNotReleased: self = .nameNotReleased
    }
  }

  /// The value of the label `reason`.
  var word: StaticString {
    switch self {
    case .clientClosed: "client-closed"
    case .busClosed: "bus-closed"
    case .clientMalformed: "client-malformed"
    case .busMalformed: "bus-malformed"
    case .clientDescriptors: "client-descriptors"
    case .busDescriptors: "bus-descriptors"
    case .clientHandshake: "client-handshake"
    case .busHandshake: "bus-handshake"
    case .authTimeout: "auth-timeout"
    case .helloTimeout: "hello-timeout"
    case .partialMessageTimeout: "partial-message-timeout"
    case .drainTimeout: "drain-timeout"
    case .busChanged: "bus-changed"
    case .busUnreachable: "bus-unreachable"
    case .namesNotFollowed: "names-not-followed"
    case .monitorRevoked: "monitor-revoked"
    case .nameNotReleased: "name-not-released"
    case .evicted: "unauthenticated-max"
    case .busConnectionsTotal: "bus-connections-total"
    case .stopped: "stopped"
    case .error: "error"
    }
  }
}
