// What makes decisions the same for `learn`, as one string of bytes. Descriptors are not part of it: a line that stands for several
// messages does not say how many those had.

import GatePolicy

/// Builds keys, one after the other, in the same memory.
struct DecisionKey {
  /// In their order; none has a NUL in it but, in a forged log, the last.
  enum Part: Int, CaseIterable {
    case verdict, reason, direction, type, destination, path, interface, member, gate
  }

  private(set) var bytes: [UInt8] = []

  /// Starts a new key.
  mutating func clear() { bytes.removeAll(keepingCapacity: true) }

  /// Adds the next part.
  mutating func append(_ part: some Sequence<UInt8>) {
    if !bytes.isEmpty { bytes.append(0) }
    bytes.append(contentsOf: part)
  }

  /// Adds the bytes at `place`.
  mutating func append(_ source: Span<UInt8>, _ place: Range<Int>) {
    if !bytes.isEmpty { bytes.append(0) }
    for at in place { bytes.append(source[at]) }
  }

  /// Adds what is told apart of a destination: whether it is the bus itself, nobody in particular, or somebody.
  mutating func append(destination: some Collection<UInt8>) {
    append(destination.isEmpty ? "none".utf8 : destination.elementsEqual("org.freedesktop.DBus".utf8) ? "driver".utf8 : "peer".utf8)
  }

  /// Makes the key of `decision`; false if a part has a NUL, which nothing that a sidecar writes has.
  mutating func set(_ decision: LoggedDecision) -> Bool {
    clear()
    append(decision.verdict.rawValue.utf8)
    append(decision.reason.utf8)
    append((decision.direction == .incoming ? "incoming" : "outgoing").utf8)
    append(decision.kind.rawValue.utf8)
    append(destination: decision.destination.utf8)
    append(decision.path.utf8)
    append(decision.interface.utf8)
    append(decision.member.utf8)
    append(decision.gate.utf8)
    return bytes.count { $0 == 0 } == Part.allCases.count - 1
  }
}
