// What makes decisions the same for `learn`, as one string of bytes. Descriptors are not part of it: a line that stands for several
// messages does not say how many those had.

import GatePolicy

/// Builds keys, one after the other, in the same memory.
struct DecisionKey {
  /// In their order; none has a NUL in it: a line that has one is not read.
  enum Part: Int, CaseIterable {
    case verdict, reason, direction, type, destination, name, about, path, interface, member, gate
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

  /// Adds what is told apart of a destination: its name if that is a well-known one, the bus's own included. All unique names are
  /// one, as they are others the next time.
  mutating func append(destination: Span<UInt8>, _ place: Range<Int>) {
    append(destination, place.isEmpty || destination[place.lowerBound] != UInt8(ascii: ":") ? place : place.prefix(1))
  }

  /// Makes the key of `decision`; false if a part has a NUL, which nothing that a sidecar writes has.
  mutating func set(_ decision: LoggedDecision) -> Bool {
    clear()
    append(decision.verdict.rawValue.utf8)
    append(decision.reason.utf8)
    append((decision.direction == .incoming ? "incoming" : "outgoing").utf8)
    append(decision.kind.rawValue.utf8)
    let destination = Array(decision.destination.utf8)
    append(destination: destination.span, 0..<destination.count)
    append(decision.name.utf8)
    append(decision.about.utf8)
    append(decision.path.utf8)
    append(decision.interface.utf8)
    append(decision.member.utf8)
    append(decision.gate.utf8)
    return bytes.count { $0 == 0 } == Part.allCases.count - 1 && !destination.contains(0)
  }
}
