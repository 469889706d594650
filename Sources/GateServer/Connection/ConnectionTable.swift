// The connections of all gates.

import CLinux
import GateSession

/// Connections by their IDs.
struct ConnectionTable: ~Copyable {
  /// With so many it is worth it to give memory back.
  private static let many = 64

  private var slab = Slab<Connection>()
  /// Numbers of connections, as logs show them, are never used again.
  private var nextNumber: UInt64 = 1
  /// The most connections since memory was given back.
  private var most = 0

  var count: Int { slab.count }
  /// Indices that may have a connection: from 0 to below this.
  var indexEnd: Int { slab.indexEnd }

  @inline(__always)
  func contains(_ id: ConnectionID) -> Bool { slab.contains(id) }

  func id(at index: Int) -> ConnectionID? { slab.id(at: index) }

  /// A connection that is there.
  subscript(id: ConnectionID) -> Connection {
    @inline(__always) _read { yield slab[id] }
    @inline(__always) _modify { yield &slab[id] }
  }

  /// Puts in what `make` makes of its ID and its number.
  mutating func insert(_ make: (ConnectionID, UInt64) -> Connection) -> ConnectionID {
    let number = nextNumber
    nextNumber += 1
    let id = slab.insert { make($0, number) }
    most = max(most, slab.count)
    return id
  }

  /// Forgets a connection. When half of many are gone, memory goes back to the kernel: malloc(3) by itself gives back only what lies on top.
  mutating func remove(_ id: ConnectionID) {
    slab.remove(id)
    if 2 * slab.count > most || most < Self.many { return }
    most = slab.count
    clinux_give_back_memory()
  }
}
