// Which gate.

/// A gate of a server. It is never another's, also after the gate was removed.
public struct GateID: Hashable, Sendable {
  let place: Slab<Gate>.ID

  init(_ place: Slab<Gate>.ID) { self.place = place }
}
