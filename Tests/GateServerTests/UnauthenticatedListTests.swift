// The list of clients that have not said Hello, against an array that does the same.

import GateSession
import Testing

@testable import GateServer

@Suite("clients that have not said Hello")
struct UnauthenticatedListTests {
  /// Connections without sockets.
  private static func connections(_ count: Int, in table: inout ConnectionTable) -> [ConnectionID] {
    let start = Instant(milliseconds: 0)
    let log = GateLog("test", number: 1, EventRate(perSecond: 1, burst: 1, at: start))
    let gate = GateID(Slab<Gate>.ID(index: 0, generation: 1))
    var ids: [ConnectionID] = []
    for _ in 0..<count {
      ids.append(
        table.insert { id, number in
          let session = Session(
            settings: SessionSettings(), peerUID: nil, ownUID: 0, bus: nil, owners: OwnerDirectory(ownersMax: 1), at: start)
          let client = ClientIdentity(number: number, peer: nil, log: log, socket: -1)
          return Connection(id, gate: gate, client, socket: -1, session, at: start)
        })
    }
    return ids
  }

  @Test("who has sent something last is evicted last, whoever leaves in between", arguments: 1...20 as ClosedRange<UInt64>)
  func model(seed: UInt64) throws {
    var random = SeededGenerator(state: seed)
    var table = ConnectionTable()
    let ids = Self.connections(8, in: &table)
    var (list, model) = (UnauthenticatedList(), [ConnectionID]())
    for time in 1...500 as ClosedRange<UInt64> {
      let id = ids.randomElement(using: &random) ?? ids[0]
      model.removeAll { $0 == id }
      if Bool.random(using: &random) {
        list.append(id, in: &table, at: Instant(milliseconds: time))
        model.append(id)
        try #require(table[id].unauthenticated.progressedAt == Instant(milliseconds: time))
      } else {
        list.remove(id, in: &table)  // also one that is not in it
      }
      try #require(list.oldest == model.first && list.count == model.count)
      if time % 100 == 0 { try drain(&list, &model, &table) }
    }
  }

  /// Takes out the oldest until there is none.
  private func drain(_ list: inout UnauthenticatedList, _ model: inout [ConnectionID], _ table: inout ConnectionTable) throws {
    var order: [ConnectionID] = []
    while let oldest = list.oldest, order.count <= model.count {
      order.append(oldest)
      list.remove(oldest, in: &table)
    }
    try #require(order == model && list.count == 0)
    model = []
  }
}
