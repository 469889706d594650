// What there is one of for each side of a connection.

import GateSession

/// Two of a kind: the client's, and the bus's.
struct BothSides<Part: ~Copyable>: ~Copyable {
  private var parts: InlineArray<2, Part>

  init(_ make: () -> Part) { parts = InlineArray { _ in make() } }

  subscript(side: Side) -> Part {
    @inline(__always) _read { yield parts[Int(side.rawValue)] }
    @inline(__always) _modify { yield &parts[Int(side.rawValue)] }
  }
}
