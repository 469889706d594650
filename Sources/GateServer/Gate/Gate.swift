// A gate: one listening socket, one bus, one policy. What is the same for all of its connections stands here.

import GatePolicy
import GateSession
import Glibc
import Synchronization

/// A gate that runs.
struct Gate: ~Copyable {
  let options: GateOptions
  /// The number of its bus.
  let bus: BusID
  /// Its events in the log.
  let log: GateLog
  /// Its listener's events, and its deadlines.
  let source: EventSource.ID
  /// Nil: it could not be had yet, see `listenFailure`; or the gate is draining.
  var listener: ListeningSocket?
  /// Why there is no listener.
  var listenFailure: ListenFailure?
  var halfMadePatience = HalfMadePatience()
  private(set) var policy: Policy
  /// Whether the policy asks who owns which name.
  private(set) var followsNames: Bool
  var metrics = GateMetrics()

  /// What the connections share of `pending-replies-total`, `matches-total`, `names-total`.
  let callBudgets: CallBudgets
  let matchesTotal: GateCount
  let namesTotal: GateCount

  var connectionCount = 0
  /// Clients that have not authenticated, or not said Hello.
  var unauthenticated = UnauthenticatedList()
  /// Until when new clients wait because descriptors ran out.
  var pausedUntil: Instant?
  /// When new clients, who wait because `unauthenticated-max` others have not said Hello, may find room.
  var fullUntil: Instant?
  /// When the listener is tried again.
  var listenAgainAt: Instant?
  /// Nothing more is accepted or begun; what was allowed is still delivered, until this instant.
  private(set) var drainsUntil: Instant?
  private(set) var isDraining = false

  /// A struct of this size that could be copied would be, for each call of a method that does not change it.
  private let inPlace = Atomic<Bool>(true)

  init(_ options: GateOptions, bus: BusID, log: GateLog, source: EventSource.ID) {
    self.options = options
    self.bus = bus
    self.log = log
    self.source = source
    policy = options.policy
    followsNames = options.policy.followsNames
    callBudgets = CallBudgets(total: options.pendingRepliesTotal, connectionsMax: options.connectionsMax)
    matchesTotal = GateCount(max: options.matchesTotal)
    namesTotal = GateCount(max: options.namesTotal)
  }

  deinit { listener?.close() }

  var label: String { options.label }

  /// Whether its socket accepts.
  var isListening: Bool { listener != nil && listenFailure == nil }

  mutating func setPolicy(_ new: Policy) {
    policy = new
    followsNames = new.followsNames
  }

  mutating func drain(until instant: Instant) {
    (isDraining, drainsUntil) = (true, instant)
  }

  /// When something is to be done for it without an event.
  var deadline: Instant? {
    var earliest = Deadline()
    for instant in [pausedUntil, fullUntil, listenAgainAt, drainsUntil] { earliest.note(instant) }
    return earliest.instant
  }

  // MARK: Who may connect

  /// Whether a client may authenticate as the user that the kernel says it is.
  func admits(_ uid: UInt32) -> Bool {
    if !options.allowedUIDs.isEmpty { return options.allowedUIDs.contains(uid) }
    return listener?.hasDirectory ?? false || uid == geteuid()
  }

  /// Whether a client may authenticate as ANONYMOUS. A user that may not connect may not do so without a name either.
  func admitsAnonymous(_ uid: UInt32?) -> Bool {
    if !options.settings.allowsAnonymous { return false }
    return options.allowedUIDs.isEmpty || uid.map { options.allowedUIDs.contains($0) } ?? false
  }

  /// How a session with a client of this user behaves.
  func settings(for uid: UInt32?) -> SessionSettings {
    var settings = options.settings
    settings.matchesTotal = matchesTotal
    settings.namesTotal = namesTotal
    settings.allowsAnonymous = admitsAnonymous(uid)
    if let listener { settings.clientTransport = listener.transport }
    return settings
  }
}
