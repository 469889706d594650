// How to make a gate: where it listens, which bus it has, what it allows, its limits.

import GatePolicy
import GateSession

/// How to make a gate.
public struct GateOptions: Sendable {
  /// What the gate is called in logs: `session`, `system`, or another label.
  public var label: String
  /// Where to listen.
  public var address: ListenAddress
  /// The upstream bus.
  public var bus: BusEndpoint
  /// The policy at the start.
  public var policy: Policy
  /// How its sessions behave.
  public var settings = SessionSettings()
  /// How the socket's file is to look.
  public var socketFile = SocketFileOptions()
  /// Users that may connect, by the kernel's word; empty: everybody who can reach the socket. A listener without a directory admits
  /// the gate's own user only, if nobody is named.
  public var allowedUIDs: [UInt32] = []
  /// Connections at a time.
  public var connectionsMax = 128
  /// Connections to the bus at a time, of all gates that have it; the smallest of theirs counts.
  public var busConnectionsTotal = 512
  /// Match rules of all connections together.
  public var matchesTotal = 8192
  /// Well-known names that the clients of all connections own or wait for.
  public var namesTotal = 1024
  /// Connections that have not authenticated, or not said Hello, yet; beyond, clients wait to be accepted. dbus-daemon's number.
  public var unauthenticatedMax = 64
  /// Connections to the bus without a Hello at a time, of all gates that have it; the smallest of theirs counts. dbus-daemon stops
  /// accepting, for everybody, at 64.
  public var helloPendingMax = 8
  /// Calls without an answer of all connections, in each direction.
  public var pendingRepliesTotal = 100_000
  /// Descriptors of one connection that are on their way to a receiver that has not taken them; dbus-daemon's number.
  public var descriptorsInFlightMax = 253
  /// Descriptors of one connection that came with a message whose header is not complete.
  public var descriptorsHeldMax: Int { max(descriptorsInFlightMax, settings.limits.descriptorsPerMessageMax) }

  /// A gate with the default limits, which are those of a session bus.
  public init(label: String, address: ListenAddress, bus: BusEndpoint, policy: Policy) {
    self.label = label
    self.address = address
    self.bus = bus
    self.policy = policy
  }
}
