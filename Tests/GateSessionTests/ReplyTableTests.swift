// The table of outgoing calls: against a naive model, and against clients that choose their serials with care.

import DBusWire
import Testing

@testable import GateSession

// #expect copies what it is about, which this is not made for.

private final class Table {
  private var table: ReplyTable
  init(limit: Int, seed: SeededHash, budget: SharedBudget? = nil) { table = ReplyTable(limit: limit, seed: seed, budget: budget) }
  var count: Int { table.count }
  func find(_ serial: UInt32) -> PendingCall? { table.find(serial) }
  func insert(_ call: PendingCall) -> ReplyTable.Insertion { table.insert(call) }
  func remove(_ serial: UInt32) { table.remove(serial) }
}

private let seed = SeededHash(a: 7, b: 11)

private func call(_ serial: UInt32, detail: UInt64 = 0) -> PendingCall {
  PendingCall(serial: serial, purpose: .call, expectedSender: .anyone, detail: detail)
}

@Suite("outgoing calls without an answer")
struct ReplyTableTests {
  @Test("a call is found until it is removed, and no other is")
  func findAndRemove() {
    let table = Table(limit: 8, seed: seed)
    #expect(table.find(5) == nil)
    #expect(table.insert(call(5, detail: 55)) == .done)
    #expect(table.find(5)?.detail == 55)
    #expect(table.find(6) == nil)
    #expect(table.find(0) == nil)
    table.remove(5)
    #expect(table.find(5) == nil)
    #expect(table.count == 0)
  }

  @Test("a serial that is in use is refused, whether or not the table is full, and may be used again afterwards")
  func serialInUse() {
    let table = Table(limit: 2, seed: seed)
    #expect(table.insert(call(1)) == .done)
    #expect(table.insert(call(1, detail: 9)) == .serialInUse)
    #expect(table.find(1)?.detail == 0)
    #expect(table.insert(call(2)) == .done)
    #expect(table.insert(call(2)) == .serialInUse)
    #expect(table.insert(call(3)) == .full)
    table.remove(1)
    #expect(table.insert(call(1)) == .done)
    #expect(table.count == 2)
  }

  @Test("just as many calls fit as the limit says", arguments: [1, 2, 7, 8, 9, 128, 5000])
  func limit(limit: Int) {
    let table = Table(limit: limit, seed: seed)
    for serial in 1...UInt32(limit) { #expect(table.insert(call(serial)) == .done) }
    #expect(table.insert(call(.max)) == .full)
    #expect(table.count == limit)
    for serial in 1...UInt32(limit) {
      #expect(table.find(serial)?.serial == serial)
      table.remove(serial)
    }
    #expect(table.insert(call(.max)) == .done)
  }

  @Test(
    "any serials do: neighbours, powers of two, the same low bits, the highest",
    arguments: [1, 3, 16, 1 << 16, 1 << 20, UInt32.max / 2000])
  func serials(step: UInt32) {
    let table = Table(limit: 50_000, seed: seed)
    let serials = (0..<2000).map { 1 &+ $0 &* step }
    for serial in serials where serial != 0 { _ = table.insert(call(serial)) }
    let unique = Set(serials.filter { $0 != 0 })
    #expect(table.count == unique.count)
    for serial in unique.sorted().reversed() { table.remove(serial) }
    #expect(table.count == 0)
  }

  @Test("behaves as a dictionary under random operations", arguments: [1, 2, 3, 4] as [UInt64])
  func model(number: UInt64) {
    var random = Random(seed: number)
    let limit = Int(random.below(200)) + 1
    let table = Table(limit: limit, seed: SeededHash(a: random.next(), b: random.next()))
    var model: [UInt32: UInt64] = [:]
    let serials = (0..<300).map { _ in UInt32(truncatingIfNeeded: random.next()) | 1 }
    for _ in 0..<5000 {
      let serial = serials[Int(random.below(300))]
      if random.below(2) == 0 {
        let detail = random.next()
        let expected: ReplyTable.Insertion = model[serial] != nil ? .serialInUse : model.count >= limit ? .full : .done
        #expect(table.insert(call(serial, detail: detail)) == expected)
        if expected == .done { model[serial] = detail }
      } else if model.removeValue(forKey: serial) != nil {
        table.remove(serial)
      }
      #expect(table.count == model.count)
      #expect(table.find(serial)?.detail == model[serial])
    }
    for serial in serials { #expect(table.find(serial)?.detail == model[serial]) }
  }

  @Test("a connection is good for its share of what the gate has, and takes more as long as there is some")
  func budget() {
    let budget = SharedBudget(total: 8, connectionsMax: 2)
    var tables = [Table(limit: 100, seed: seed, budget: budget), Table(limit: 100, seed: seed, budget: budget)]
    for serial in 1...6 as ClosedRange<UInt32> { #expect(tables[0].insert(call(serial)) == .done) }
    #expect(tables[0].insert(call(7)) == .totalIsFull)
    #expect(tables[0].insert(call(6)) == .serialInUse)
    for serial in 1...2 as ClosedRange<UInt32> { #expect(tables[1].insert(call(serial)) == .done) }
    #expect(tables[1].insert(call(3)) == .totalIsFull)
    for serial in 2...5 as ClosedRange<UInt32> { tables[0].remove(serial) }
    for serial in 3...5 as ClosedRange<UInt32> { #expect(tables[1].insert(call(serial)) == .done) }
    tables.removeLast()
    for serial in 7...10 as ClosedRange<UInt32> { #expect(tables[0].insert(call(serial)) == .done) }
    #expect(tables[0].insert(call(11)) == .totalIsFull)
    tables.removeLast()
    #expect(budget.taken == 0)
  }

  @Test("a call takes 16 bytes")
  func size() { #expect(MemoryLayout<PendingCall>.stride == 16) }
}
