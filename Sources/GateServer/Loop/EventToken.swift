// What epoll hands back with an event: what the event is about. Everything has a generation, so that an event which was queued for something
// that has ended is not taken for its successor's.

import GateSession

/// The meaning of an epoll event's 64 bits: two of kind, 30 of index, 32 of generation.
enum EventToken: Equatable {
  case source(EventSource.ID)
  case connection(ConnectionID, Side)
  case timer

  @inline(__always)
  var bits: UInt64 {
    switch self {
    case .source(let id): Self.bits(0, id.index, id.generation)
    case .connection(let id, .client): Self.bits(1, id.index, id.generation)
    case .connection(let id, .bus): Self.bits(2, id.index, id.generation)
    case .timer: 3
    }
  }

  @inline(__always)
  init(bits: UInt64) {
    let index = UInt32(truncatingIfNeeded: bits) >> 2
    let generation = UInt32(truncatingIfNeeded: bits >> 32)
    switch bits & 3 {
    case 0: self = .source(EventSource.ID(index: index, generation: generation))
    case 1: self = .connection(ConnectionID(index: index, generation: generation), .client)
    case 2: self = .connection(ConnectionID(index: index, generation: generation), .bus)
    default: self = .timer
    }
  }

  private static func bits(_ kind: UInt64, _ index: UInt32, _ generation: UInt32) -> UInt64 {
    kind | UInt64(index) << 2 | UInt64(generation) << 32
  }
}
