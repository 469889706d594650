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

  let matchesTotal: GateCount
  let namesTotal: GateCount

  var connectionCount = 0
  /// Connections that have not authenticated, or not said Hello: a list through ``Connection/nextUnauthenticated``, first those that
  /// have said nothing for longest.
  var oldestUnauthenticated = -1
  var newestUnauthenticated = -1
  var unauthenticatedCount = 0
  /// Whether new clients wait because descriptors ran out.
  var isPaused = false
  /// Whether they wait because `unauthenticatedMax` clients have not authenticated.
  var isFull = false
  /// Whether the listener was closed because the server is draining.
  var isClosed = false

  init(_ options: GateOptions, bus: Int, _ listener: ListeningSocket) {
    self.options = options
    self.bus = bus
    self.listener = listener
    policy = options.policy
    followsNames = options.policy.followsNames
    callBudgets = CallBudgets(total: options.pendingRepliesTotal, connectionsMax: options.connectionsMax)
    matchesTotal = GateCount(max: options.matchesTotal)
    namesTotal = GateCount(max: options.namesTotal)
  }

  /// Whether a client may authenticate as the user that the kernel says it is.
  func admits(_ uid: UInt32) -> Bool {
    if !options.allowedUIDs.isEmpty { return options.allowedUIDs.contains(uid) }
    return listener.hasDirectory || uid == geteuid()
  }

  /// Whether a client may authenticate as ANONYMOUS. A user that may not connect may not do so without a name either.
  func admitsAnonymous(_ uid: UInt32?) -> Bool {
    if !options.settings.allowsAnonymous { return false }
    return options.allowedUIDs.isEmpty || uid.map { options.allowedUIDs.contains($0) } ?? false
  }
}
