// Clients of a gate that have not authenticated, or not said Hello: first those that have said nothing for longest.

import GateSession

/// A list through the connections themselves, so that each joins and leaves it in a step.
struct UnauthenticatedList {
  /// What a connection keeps of it.
  struct Place {
    /// When it last sent something.
    var progressedAt: Instant
    fileprivate(set) var isListed = false
    fileprivate var previous: ConnectionID?
    fileprivate var next: ConnectionID?

    init(progressedAt: Instant) { self.progressedAt = progressedAt }
  }

  private(set) var oldest: ConnectionID?
  private var newest: ConnectionID?
  private(set) var count = 0

  /// The connection has sent something just now: it is the last one to be evicted.
  mutating func append(_ id: ConnectionID, in connections: inout ConnectionTable, at now: Instant) {
    remove(id, in: &connections)
    connections[id].unauthenticated.progressedAt = now
    connections[id].unauthenticated.isListed = true
    connections[id].unauthenticated.previous = newest
    if let newest { connections[newest].unauthenticated.next = id } else { oldest = id }
    newest = id
    count += 1
  }

  mutating func remove(_ id: ConnectionID, in connections: inout ConnectionTable) {
    let place = connections[id].unauthenticated
    if !place.isListed { return }
    if let before = place.previous { connections[before].unauthenticated.next = place.next } else { oldest = place.next }
    if let after = place.next { connections[after].unauthenticated.previous = place.previous } else { newest = place.previous }
    connections[id].unauthenticated = Place(progressedAt: place.progressedAt)
    count -= 1
  }
}
