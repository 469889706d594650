// A gate: one listening socket, one bus, one policy. What is the same for all of its connections stands here.

import CLinux
import GatePolicy
import GateSession
import Glibc

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
  public var connectionsMax = 1024
  /// Connections that have not authenticated yet; beyond, the oldest gives way. dbus-daemon's number.
  public var unauthenticatedMax = 64
  /// Connections to the bus without a Hello at a time, of all gates that have it; the smallest of theirs counts. dbus-daemon stops
  /// accepting, for everybody, at 64.
  public var helloPendingMax = 8
  /// Calls without an answer of all connections, in each direction.
  public var pendingRepliesTotal = 100_000
  /// Descriptors of one connection that are on their way to a receiver that has not taken them; dbus-daemon's number.
  public var descriptorsInFlightMax = 64
  /// Descriptors of one connection that came with a message whose header is not complete.
  public var descriptorsHeldMax: Int { max(descriptorsInFlightMax, settings.limits.descriptorsPerMessageMax) }

  /// A gate with the default limits.
  public init(label: String, address: ListenAddress, bus: BusEndpoint, policy: Policy) {
    self.label = label
    self.address = address
    self.bus = bus
    self.policy = policy
  }
}

/// A gate that runs.
struct Gate {
  let options: GateOptions
  let listener: ListeningSocket
  var policy: Policy {
    didSet { followsNames = policy.followsNames }
  }
  /// Whether the policy asks who owns which name.
  private(set) var followsNames: Bool
  /// What the connections share of `pending-replies-total`.
  let callBudgets: CallBudgets
  /// The number of its bus in ``Server/buses``.
  let bus: Int

  var connectionCount = 0
  /// Connections that have not authenticated, oldest first: a list through ``Connection/nextUnauthenticated``.
  var oldestUnauthenticated = -1
  var newestUnauthenticated = -1
  var unauthenticatedCount = 0
  /// Whether the listener is out of the poll set because descriptors ran out.
  var isPaused = false
  /// Whether the listener was closed because the server is stopping.
  var isClosed = false

  init(_ options: GateOptions, bus: Int, _ listener: ListeningSocket) {
    self.options = options
    self.bus = bus
    self.listener = listener
    policy = options.policy
    followsNames = options.policy.followsNames
    callBudgets = CallBudgets(total: options.pendingRepliesTotal, connectionsMax: options.connectionsMax)
  }

  /// Whether a client may authenticate as the user that the kernel says it is.
  func admits(_ uid: UInt32) -> Bool {
    if !options.allowedUIDs.isEmpty { return options.allowedUIDs.contains(uid) }
    return listener.hasDirectory || uid == geteuid()
  }

  /// Whether a client may authenticate as nobody: not if it is somebody who may not connect.
  func admitsAnonymous(_ uid: UInt32?) -> Bool {
    if !options.settings.allowsAnonymous { return false }
    return options.allowedUIDs.isEmpty || uid.map { options.allowedUIDs.contains($0) } ?? false
  }
}
