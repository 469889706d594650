// What epoll hands back with an event: what the event is about. Connections carry a generation, so that an event which was queued
// for an ended connection is not taken for its successor's.

import GateSession

/// The meaning of an epoll event's 64 bits.
enum EventToken: Equatable {
  case listener(gate: Int)
  case connection(index: Int, generation: UInt32, side: Side)
  case signals
  case standardInput
  case syncDescriptor
  case timer
  case observer(bus: Int)
  case busProbe(bus: Int)
  case adminListener(AdminService)
  case adminClient(AdminService, id: UInt32)

  /// Two bits of kind, 30 of index, 32 of generation. The last kind is for everything that there is one of, or few; the index
  /// tells them apart.
  var bits: UInt64 {
    switch self {
    case .listener(let gate): UInt64(gate) << 2
    case .connection(let index, let generation, let side):
      (side == .client ? 1 : 2) | UInt64(index) << 2 | UInt64(generation) << 32
    case .signals: 3
    case .standardInput: 1 << 2 | 3
    case .syncDescriptor: Self.syncDescriptorIndex << 2 | 3
    case .timer: Self.timerIndex << 2 | 3
    case .observer(let bus): UInt64(Self.observerIndex + bus) << 2 | 3
    case .busProbe(let bus): Self.probeIndex << 2 | 3 | UInt64(bus) << 32
    case .adminListener(let service): UInt64(2 + service.rawValue * 2) << 2 | 3
    case .adminClient(let service, let id): UInt64(3 + service.rawValue * 2) << 2 | 3 | UInt64(id) << 32
    }
  }

  init(bits: UInt64) {
    let index = Int(bits >> 2 & 0x3FFF_FFFF)
    let generation = UInt32(truncatingIfNeeded: bits >> 32)
    switch bits & 3 {
    case 0: self = .listener(gate: index)
    case 1: self = .connection(index: index, generation: generation, side: .client)
    case 2: self = .connection(index: index, generation: generation, side: .bus)
    default: self = Self.other(index, generation)
    }
  }

  /// Indices that no admin service has.
  private static let syncDescriptorIndex: UInt64 = 0x3FFF_FFFF
  private static let timerIndex: UInt64 = 0x3FFF_FFFE
  /// The buses' observers have the indices from here on.
  private static let observerIndex = 0x1000_0000
  private static let probeIndex: UInt64 = 0x3FFF_FFFD

  private static func other(_ index: Int, _ generation: UInt32) -> EventToken {
    switch index {
    case 0: return .signals
    case 1: return .standardInput
    case Int(syncDescriptorIndex): return .syncDescriptor
    case Int(timerIndex): return .timer
    case Int(probeIndex): return .busProbe(bus: Int(generation))
    case Self.observerIndex...: return .observer(bus: index - observerIndex)
    default:
      guard let service = AdminService(rawValue: (index - 2) / 2) else { preconditionFailure("a token that nobody made") }
      return index % 2 == 0 ? .adminListener(service) : .adminClient(service, id: generation)
    }
  }
}
