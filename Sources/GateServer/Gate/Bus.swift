// A bus of the process. All gates with one address share it, because a bus counts connections by user, and the process is one
// user. Here stands what is known of the bus, and how many connections to it there are.

import GateSession

/// Which bus.
typealias BusID = Slab<Bus>.ID

/// An upstream bus, and what its gates share.
struct Bus: ~Copyable {
  let endpoint: BusEndpoint
  /// Its deadlines.
  let timer: EventSource.ID
  /// How many gates have it.
  private(set) var gateCount = 0
  /// What is known of the bus. Nil without a connection to it, since nobody would notice that another bus has its address. Where
  /// the address starts programs it is kept until it turns out wrong, or each client might start two.
  var knownBus: BusIdentity?
  /// Whether the gate sends its uid. It sends none to a bus that rejected it, which may know the gate by another one.
  var saysUID = true
  /// The connection that finds out who it is.
  var probe: BusProbe?
  /// Connections whose client waits to be told, oldest first; those that have gone are passed over.
  var waitingForIdentity: [ConnectionID] = []
  /// The smallest of what its gates ask for.
  private(set) var helloPendingMax = Int.max
  private(set) var connectionsTotal = Int.max
  private(set) var helloTimeout = UInt64.max
  /// Whether all of its gates may be nobody there, where the transport carries no credentials.
  private(set) var allowsAnonymous = true
  /// Connections to the bus that are open, over all gates.
  var connectionCount = 0
  /// Connections that have asked the bus for something and not been told their name.
  var helloPendingCount = 0
  /// Connections that wait for a place among those, oldest first; those that have gone are passed over.
  var waitingForBus: [ConnectionID] = []
  /// When a connect that found the bus busy is tried again.
  var retryAt: Instant?
  /// What came of the gate's own last try.
  var reach = BusReach()
  /// The observer, which follows who owns which name there. It has no connection as long as no policy asks.
  let observer: ObserverConnection
  /// Whether policies of its gates changed that the observer has not been told of.
  var isToFollow = false
  /// Whether messages that waited for the observer may be decided on now.
  var isToResume = false
  /// Whether it is to be seen to before the loop waits again.
  var isToSee = false

  init(_ options: GateOptions, timer: EventSource.ID) {
    endpoint = options.bus
    self.timer = timer
    observer = ObserverConnection(ownersMax: options.settings.limits.ownersMax)
  }

  /// A server that is dropped may be in the middle of asking.
  deinit { closeDescriptor(probe?.opened.fd ?? -1) }

  /// Whether what is known of it may be kept.
  var keepsIdentity: Bool { connectionCount > 0 || observer.isOpen || endpoint.startsPrograms }

  /// Whether one more connection may ask it for its name.
  var mayOpen: Bool { helloPendingCount < helloPendingMax && retryAt == nil }

  /// When something is to be done for it without an event.
  var deadline: Instant? {
    var earliest = Deadline()
    for instant in [retryAt, observer.deadline, observer.retryAt, probe?.deadline, reach.retryAt] { earliest.note(instant) }
    return earliest.instant
  }

  /// No gate has it, as far as is known.
  mutating func forgetGates() {
    (gateCount, helloPendingMax, connectionsTotal, helloTimeout, allowsAnonymous) = (0, .max, .max, .max, true)
  }

  /// One more gate has this bus.
  mutating func add(_ options: GateOptions) {
    gateCount += 1
    allowsAnonymous = allowsAnonymous && options.settings.allowsAnonymousToBus
    helloPendingMax = min(helloPendingMax, options.helloPendingMax)
    connectionsTotal = min(connectionsTotal, options.busConnectionsTotal)
    helloTimeout = min(helloTimeout, options.settings.limits.helloTimeout)
  }
}
