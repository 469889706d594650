// The tables behind the replies: against naive models, and against clients that choose their serials with care.

import DBusWire
import Testing

@testable import GateSession

// #expect copies what it is about, which these tables are not made for.

private final class Replies {
  private var table: ReplyTable
  init(limit: Int, seed: SeededHash, budget: SharedBudget? = nil) { table = ReplyTable(limit: limit, seed: seed, budget: budget) }
  var count: Int { table.count }
  func find(_ serial: UInt32) -> PendingCall? { table.find(serial) }
  func insert(_ call: PendingCall) -> ReplyTable.Insertion { table.insert(call) }
  func remove(_ serial: UInt32) { table.remove(serial) }
}

private final class Own {
  private var output: LocalOutput
  init(limit: Int) { output = LocalOutput(limit: limit) }
  var count: Int { output.count }
  var isEmpty: Bool { output.isEmpty }
  var hasRoom: Bool { output.hasRoom }
  var uncommittedCount: Int { output.uncommittedCount }
  var bytes: [UInt8] { output.withBytes { Array($0) } }
  func append(_ bytes: [UInt8]) { output.append(bytes.span.bytes) }
  func commit() -> Int { output.commit() }
  func removeFirst(_ count: Int) { output.removeFirst(count) }
}

private let seed = SeededHash(a: 7, b: 11)

private func call(_ serial: UInt32, detail: UInt64 = 0) -> PendingCall {
  PendingCall(serial: serial, purpose: .call, expectedSender: .anyone, detail: detail)
}

@Suite("outgoing calls without an answer")
struct ReplyTableTests {
  @Test("a call is found until it is removed, and no other is")
  func findAndRemove() {
    let table = Replies(limit: 8, seed: seed)
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
    let table = Replies(limit: 2, seed: seed)
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
    let table = Replies(limit: limit, seed: seed)
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
    let table = Replies(limit: 50_000, seed: seed)
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
    let table = Replies(limit: limit, seed: SeededHash(a: random.next(), b: random.next()))
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
    var tables = [Replies(limit: 100, seed: seed, budget: budget), Replies(limit: 100, seed: seed, budget: budget)]
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

@Suite("the gate's own output")
struct OwnOutputTests {
  @Test("bytes leave in the order they came, in any pieces")
  func order() {
    let own = Own(limit: 65_536)
    var expected: [UInt8] = []
    var random = Random(seed: 3)
    var next: UInt8 = 0
    for _ in 0..<2000 {
      if random.below(2) == 0 {
        let piece = (0..<random.below(300)).map { _ in
          next &+= 1
          return next
        }
        own.append(piece)
        expected += piece
      } else {
        let n = Int(random.below(UInt64(expected.count + 1)))
        own.removeFirst(n)
        expected.removeFirst(n)
      }
      #expect(own.count == expected.count)
      #expect(own.isEmpty == expected.isEmpty)
    }
    #expect(own.bytes == expected)
  }

  @Test("what was given its place is not given another")
  func commit() {
    let own = Own(limit: 65_536)
    own.append(Array("abc".utf8))
    #expect(own.uncommittedCount == 3)
    #expect(own.commit() == 3)
    #expect(own.commit() == 0)
    own.append(Array("de".utf8))
    #expect(own.uncommittedCount == 2)
    own.removeFirst(2)
    #expect(own.uncommittedCount == 2)
    #expect(own.commit() == 2)
    own.removeFirst(3)
    #expect(own.isEmpty && own.uncommittedCount == 0)
  }

  @Test("bytes without a place may leave too")
  func uncommittedLeave() {
    let own = Own(limit: 65_536)
    own.append(Array("abcd".utf8))
    own.removeFirst(3)
    #expect(own.uncommittedCount == 1)
    #expect(own.bytes == Array("d".utf8))
  }

  @Test("there is room as long as the longest answer fits under the limit")
  func limit() {
    let own = Own(limit: 8192)
    own.append([UInt8](repeating: 1, count: 8192 - LocalReply.byteCountMax))
    #expect(own.hasRoom)
    own.append([1])
    #expect(!own.hasRoom)
    own.removeFirst(1)
    #expect(own.hasRoom)
  }

  @Test("a limit below two answers still lets one be made")
  func smallLimit() {
    let own = Own(limit: 1)
    #expect(own.hasRoom)
  }
}

/// SplitMix64: the same numbers from the same seed, everywhere.
struct Random: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: UInt64) -> UInt64 { next() % bound }
  mutating func pick<T>(_ values: [T]) -> T { values[Int(below(UInt64(values.count)))] }
  mutating func chance(_ percent: UInt64) -> Bool { below(100) < percent }
}
