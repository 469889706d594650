// A connection that learns which bus it is. Server+BusProbe.swift says when there is one.

import GateSession

/// A connection that learns who a bus is.
struct BusProbe {
  let fd: Int32
  /// Which alternative of the bus's address it was opened to.
  let alternative: Int
  /// Whether it sent our uid.
  let saysUID: Bool
  var handshake: ClientHandshake
  /// When it has taken too long.
  let deadline: Instant
  /// What the bus has said, as far as it ends within a line.
  var input: [UInt8] = []
}
