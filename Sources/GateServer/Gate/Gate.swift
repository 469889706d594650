// A gate: one listening socket, one bus, one policy. What is the same for all of its connections stands here.

import GatePolicy
import GateSession
import Glibc

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
