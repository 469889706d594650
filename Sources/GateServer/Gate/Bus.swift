// A bus of the process. All gates with one address share it, because a bus counts connections by user, and the process is one
// user. Here stands what is known of the bus, and how many connections to it there are.

import GateSession

/// An upstream bus, and what its gates share.
struct Bus {
  let endpoint: BusEndpoint
  /// What is known of the bus. Nil without a connection to it, since nobody would notice that another bus has its address. Where
  /// the address starts programs it is kept until it turns out wrong, or each client might start two.
  var knownBus: BusIdentity?
  /// Whether the gate sends its uid. It sends none to a bus that rejected it, which may know the gate by another one.
  var saysUID = true
  /// The connection that finds out who it is.
  var probe: BusProbe?
  /// Connections whose client waits to be told, oldest first, as tokens; stale ones are passed over.
  var waitingForIdentity: [UInt64] = []
  /// The smallest of what its gates ask for.
  private(set) var helloPendingMax: Int
  private(set) var connectionsTotal: Int
  private(set) var helloTimeout: UInt64
  /// Connections to the bus that are open, over all gates.
  var connectionCount = 0
  /// Connections that have asked the bus for something and not been told their name.
  var helloPendingCount = 0
  /// Connections that wait for a place among those, oldest first, as tokens; stale ones are passed over.
  var waitingForBus: [UInt64] = []
  /// The observer, which follows who owns which name there. It has no connection as long as no policy asks.
  let observer: ObserverConnection
  /// Whether policies of its gates changed that the observer has not been told of.
  var isToFollow = false
  /// Whether messages that waited for the observer may be decided on now.
  var isToResume = false

  init(_ options: GateOptions) {
    endpoint = options.bus
    helloPendingMax = options.helloPendingMax
    observer = ObserverConnection(ownersMax: options.settings.limits.ownersMax)
    connectionsTotal = options.busConnectionsTotal
    helloTimeout = options.settings.limits.helloTimeout
  }

  /// Whether what is known of it may be kept.
  var keepsIdentity: Bool { connectionCount > 0 || observer.isOpen || endpoint.startsPrograms }

  /// One more gate has this bus.
  mutating func add(_ options: GateOptions) {
    helloPendingMax = min(helloPendingMax, options.helloPendingMax)
    connectionsTotal = min(connectionsTotal, options.busConnectionsTotal)
    helloTimeout = min(helloTimeout, options.settings.limits.helloTimeout)
  }
}
