// The table behind the answers of the client: against a naive model, with callers that leave, and at its bounds.

import DBusWire
import Testing

@testable import GateSession

private final class Callers {
  private var table: CallerTable
  init(perCallerLimit: Int, limit: Int, seed: SeededHash, budget: SharedBudget? = nil) {
    table = CallerTable(perCallerLimit: perCallerLimit, limit: limit, seed: seed, budget: budget)
  }
  var count: Int { table.count }
  var hasRoomForAny: Bool { table.hasRoomForAny }
  func insert(caller: UInt64, serial: UInt32) -> CallerTable.Insertion {
    table.insert(caller: caller, Array(":1.\(caller)".utf8).span.bytes, serial: serial)
  }
  func remove(caller: UInt64, serial: UInt32) -> Bool { table.remove(caller: caller, serial: serial) }
  func removeAll(of caller: UInt64) { table.removeAll(of: caller) }
  /// As text, without which the bus can't be asked.
  func takeCallerToAsk() -> String? { table.takeCallerToAsk().map { String(decoding: $0.text, as: UTF8.self) } }
}

private let seed = SeededHash(a: 7, b: 11)

/// What CallerTable promises, without thought for speed.
private struct Model {
  /// Serials that each caller used, as often as it did.
  var calls: [UInt64: [UInt32]] = [:]
  let perCaller: Int
  let limit: Int

  var count: Int { calls.values.reduce(0) { $0 + $1.count } }

  mutating func insert(_ caller: UInt64, _ serial: UInt32) -> CallerTable.Insertion {
    let own = calls[caller]?.count ?? 0
    if own >= perCaller { return .callerIsFull }
    if count >= limit { return .isFull }
    let share = max(1, limit / (calls.count + (own == 0 ? 1 : 0)))
    if Double(count + 1) > 0.75 * Double(limit) && own >= share { return .isFull }
    calls[caller, default: []].append(serial)
    return .done
  }

  mutating func remove(_ caller: UInt64, _ serial: UInt32) -> Bool {
    guard let at = calls[caller]?.firstIndex(of: serial) else { return false }
    calls[caller]?.remove(at: at)
    if calls[caller]?.isEmpty ?? false { calls[caller] = nil }
    return true
  }
}

@Suite("incoming calls without an answer")
struct CallerTableTests {
  @Test("a call is answered once, and only by its caller and serial")
  func once() {
    let table = Callers(perCallerLimit: 4, limit: 8, seed: seed)
    #expect(!table.remove(caller: 1, serial: 1))
    #expect(table.insert(caller: 1, serial: 1) == .done)
    #expect(table.insert(caller: 2, serial: 1) == .done)
    #expect(!table.remove(caller: 1, serial: 2))
    #expect(!table.remove(caller: 3, serial: 1))
    #expect(table.remove(caller: 1, serial: 1))
    #expect(!table.remove(caller: 1, serial: 1))
    #expect(table.remove(caller: 2, serial: 1))
    #expect(table.count == 0)
  }

  @Test("the same call twice takes two places and is good for two answers")
  func twice() {
    let table = Callers(perCallerLimit: 3, limit: 8, seed: seed)
    #expect((1...2).allSatisfy { _ in table.insert(caller: 1, serial: 1) == .done })
    #expect(table.insert(caller: 1, serial: 2) == .done)
    #expect(table.insert(caller: 1, serial: 1) == .callerIsFull)
    #expect(table.count == 3)
    #expect((1...2).allSatisfy { _ in table.remove(caller: 1, serial: 1) })
    #expect(!table.remove(caller: 1, serial: 1))
    #expect(table.remove(caller: 1, serial: 2))
  }

  @Test("a caller beyond its bound is refused, nobody else is, and no call is forgotten")
  func perCaller() {
    let table = Callers(perCallerLimit: 3, limit: 100, seed: seed)
    for serial in 1...3 { #expect(table.insert(caller: 1, serial: UInt32(serial)) == .done) }
    #expect(table.insert(caller: 1, serial: 4) == .callerIsFull)
    #expect(table.insert(caller: 9, serial: 1) == .done)
    #expect((1...3).allSatisfy { table.remove(caller: 1, serial: $0) })
    #expect(!table.remove(caller: 1, serial: 4))
    #expect(table.remove(caller: 9, serial: 1))
  }

  @Test("above three quarters of the bound, who has its share gets no more; a caller alone gets all")
  func shares() {
    let table = Callers(perCallerLimit: 100, limit: 16, seed: seed)
    for serial in 1...11 { #expect(table.insert(caller: 1, serial: UInt32(serial)) == .done) }
    #expect(table.insert(caller: 2, serial: 1) == .done)
    #expect(table.insert(caller: 1, serial: 12) == .isFull)
    for serial in 2...5 { #expect(table.insert(caller: 2, serial: UInt32(serial)) == .done) }
    #expect(table.insert(caller: 2, serial: 6) == .isFull)
    #expect(table.insert(caller: 3, serial: 1) == .isFull)
    for serial in 1...5 { #expect(table.remove(caller: 2, serial: UInt32(serial))) }
    for serial in 12...16 { #expect(table.insert(caller: 1, serial: UInt32(serial)) == .done) }
    #expect(table.insert(caller: 1, serial: 17) == .isFull)
    #expect((1...16).allSatisfy { table.remove(caller: 1, serial: $0) })
  }

  @Test("a caller whose first call makes the table grow is as known as any", arguments: [16, 32, 64])
  func growsWithNewCaller(slots: Int) {
    let table = Callers(perCallerLimit: 100, limit: 1000, seed: seed)
    for serial in 1...slots { #expect(table.insert(caller: 1, serial: UInt32(serial)) == .done) }
    #expect(table.insert(caller: 2, serial: 1) == .done)
    #expect(table.remove(caller: 2, serial: 1))
    for serial in 1...100 { #expect(table.insert(caller: 2, serial: UInt32(serial)) == .done) }
    #expect(table.count == slots + 100)
    for serial in 1...slots { #expect(table.remove(caller: 1, serial: UInt32(serial))) }
    #expect(table.count == 100)
  }

  @Test("many callers with one call each share the bound, and memory is used again after them")
  func manyCallers() {
    let table = Callers(perCallerLimit: 128, limit: 4096, seed: seed)
    for round in 0..<3 {
      for caller in 1...4096 { #expect(table.insert(caller: UInt64(caller), serial: UInt32(round + 1)) == .done) }
      #expect(table.insert(caller: 77_777, serial: 5) == .isFull)
      for caller in 1...4096 {
        if caller % 2 == 0 {
          table.removeAll(of: UInt64(caller))
        } else {
          #expect(table.remove(caller: UInt64(caller), serial: UInt32(round + 1)))
        }
      }
      #expect(table.count == 0)
    }
  }

  @Test("behaves as a naive model under random operations", arguments: Array(1...12) as [UInt64])
  func model(number: UInt64) {
    var random = Random(seed: number)
    var model = Model(perCaller: Int(random.below(6)) + 1, limit: Int(random.below(40)) + 1)
    let table = Callers(perCallerLimit: model.perCaller, limit: model.limit, seed: SeededHash(a: random.next(), b: random.next()))
    for _ in 0..<3000 {
      let (caller, serial) = (random.below(12) + 1, UInt32(random.below(8)) + 1)
      switch random.below(20) {
      case 0:
        table.removeAll(of: caller)
        model.calls[caller] = nil
      case 1...6: #expect(table.remove(caller: caller, serial: serial) == model.remove(caller, serial))
      case 7: if let name = table.takeCallerToAsk() { #expect(model.calls.keys.contains { ":1.\($0)" == name }) }
      default:
        let isSure = table.hasRoomForAny
        let expected = model.insert(caller, serial)
        #expect(table.insert(caller: caller, serial: serial) == expected)
        if isSure { #expect(expected == .done) }
      }
      #expect(table.count == model.count)
    }
    for (caller, serials) in model.calls { for serial in serials { #expect(table.remove(caller: caller, serial: serial)) } }
    #expect(table.count == 0)
  }

  // MARK: Callers that may be gone

  @Test("nobody is asked for below half of the bound; from there on those that came first, each once")
  func askedFor() {
    let table = Callers(perCallerLimit: 100, limit: 16, seed: seed)
    for caller in 1...7 as ClosedRange<UInt64> {
      #expect(table.insert(caller: caller, serial: 1) == .done)
      #expect(table.takeCallerToAsk() == nil)
    }
    for caller in 8...9 as ClosedRange<UInt64> { #expect(table.insert(caller: caller, serial: 1) == .done) }
    #expect((1...8).map { _ in table.takeCallerToAsk() } == (1...8).map { ":1.\($0)" })
    #expect(table.takeCallerToAsk() == nil)
  }

  @Test("who calls is there, and is asked for only when others have called for a while")
  func whoCallsIsThere() {
    let table = Callers(perCallerLimit: 100, limit: 16, seed: seed)
    for serial in 1...10 as ClosedRange<UInt32> { #expect(table.insert(caller: 1, serial: serial) == .done) }
    #expect(table.takeCallerToAsk() == nil)
    for serial in 1...4 as ClosedRange<UInt32> { #expect(table.insert(caller: 2, serial: serial) == .done) }
    #expect(table.takeCallerToAsk() == ":1.1")
    #expect(table.takeCallerToAsk() == nil)
  }

  @Test("a full table still asks, by the calls that it refuses, so that who left makes room")
  func fullTable() {
    let table = Callers(perCallerLimit: 100, limit: 8, seed: seed)
    for caller in 1...8 as ClosedRange<UInt64> { #expect(table.insert(caller: caller, serial: 1) == .done) }
    while table.takeCallerToAsk() != nil {}
    for _ in 1...3 { #expect(table.insert(caller: 9, serial: 1) == .isFull) }
    #expect(table.takeCallerToAsk() != nil)
    table.removeAll(of: 1)
    #expect(table.insert(caller: 9, serial: 1) == .done)
  }

  @Test("a name that is longer than any bus makes them is not asked for")
  func longName() {
    #expect(!UniqueNameText(Array(":1.\(String(repeating: "9", count: 29))".utf8).span.bytes).isWhole)
    let longest = Array(":1.\(String(repeating: "9", count: 28))".utf8)
    #expect(UniqueNameText(longest.span.bytes).bytes == longest)
  }

  // MARK: What connections share

  @Test("a connection is good for its share whatever the others have, and for what is left beyond that")
  func budget() {
    let budget = SharedBudget(total: 16, connectionsMax: 4)
    var tables = (0..<2).map { _ in Callers(perCallerLimit: 100, limit: 100, seed: seed, budget: budget) }
    for serial in 1...10 as ClosedRange<UInt32> { #expect(tables[0].insert(caller: 1, serial: serial) == .done) }
    #expect(tables[0].insert(caller: 1, serial: 11) == .totalIsFull)
    for serial in 1...2 as ClosedRange<UInt32> { #expect(tables[1].insert(caller: 1, serial: serial) == .done) }
    #expect(tables[1].insert(caller: 1, serial: 3) == .totalIsFull)
    tables[0].removeAll(of: 1)
    #expect(budget.taken == 0)
    for serial in 3...10 as ClosedRange<UInt32> { #expect(tables[1].insert(caller: 1, serial: serial) == .done) }
    tables.removeLast()
    #expect(budget.taken == 0)
  }

  @Test("where the gate's places are scarce, who has more than its share looks for callers that are gone")
  func scarce() {
    let budget = SharedBudget(total: 16, connectionsMax: 4)
    let table = Callers(perCallerLimit: 100, limit: 1000, seed: seed, budget: budget)
    for caller in 1...6 as ClosedRange<UInt64> { #expect(table.insert(caller: caller, serial: 1) == .done) }
    #expect(table.takeCallerToAsk() == nil)
    #expect(table.insert(caller: 7, serial: 1) == .done)
    #expect(table.takeCallerToAsk() == ":1.1")
  }

  @Test("of large budgets batches are taken and given back, and nothing is lost on the way", arguments: [1, 2, 3] as [UInt64])
  func batches(number: UInt64) {
    let budget = SharedBudget(total: 100_000, connectionsMax: 128)
    var random = Random(seed: number)
    let tables = (0..<4).map { _ in Callers(perCallerLimit: 50_000, limit: 50_000, seed: seed, budget: budget) }
    var serials = [UInt32](repeating: 0, count: 4)
    for _ in 0..<30 {
      let at = Int(random.below(4))
      if random.chance(60) {
        for _ in 0..<random.below(8000) where tables[at].insert(caller: 1, serial: serials[at] + 1) == .done { serials[at] += 1 }
      } else {
        for _ in 0..<min(UInt64(serials[at]), random.below(9000)) {
          #expect(tables[at].remove(caller: 1, serial: serials[at]))
          serials[at] -= 1
        }
      }
      let needed = tables.reduce(0) { $0 + max(0, $1.count - budget.share) }
      #expect(budget.taken >= needed && budget.taken <= needed + 4 * 2 * budget.batch && budget.taken <= budget.common)
    }
    for table in tables { table.removeAll(of: 1) }
    #expect(budget.taken == 0)
  }
}
