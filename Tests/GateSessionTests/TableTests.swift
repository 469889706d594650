// The tables behind the replies: against naive models, and against clients that choose their serials with care.

import DBusWire
import Testing

@testable import GateSession

// #expect copies what it is about, which these tables are not made for.

private final class Replies {
  private var table: ReplyTable
  init(limit: Int, seed: SeededHash) { table = ReplyTable(limit: limit, seed: seed) }
  var count: Int { table.count }
  func find(_ serial: UInt32) -> PendingCall? { table.find(serial) }
  func insert(_ call: PendingCall) -> ReplyTable.Insertion { table.insert(call) }
  func remove(_ serial: UInt32) { table.remove(serial) }
}

private final class Callers {
  private var table: CallerTable
  init(perCallerLimit: Int, limit: Int, seed: SeededHash) {
    table = CallerTable(perCallerLimit: perCallerLimit, limit: limit, seed: seed)
  }
  var count: Int { table.count }
  func insert(caller: UInt64, serial: UInt32) { table.insert(caller: caller, serial: serial) }
  func remove(caller: UInt64, serial: UInt32) -> Bool { table.remove(caller: caller, serial: serial) }
}

private final class Own {
  private var output: OwnOutput
  init(limit: Int) { output = OwnOutput(limit: limit) }
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
  PendingCall(serial: serial, purpose: .call, answerer: .anyone, detail: detail)
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

  @Test("a call takes 16 bytes")
  func size() { #expect(MemoryLayout<PendingCall>.stride == 16) }
}

@Suite("incoming calls without an answer")
struct CallerTableTests {
  /// What CallerTable promises, without thought for speed.
  struct Model {
    struct Call: Equatable {
      var caller: UInt64
      var serial: UInt32
    }
    /// Oldest first.
    var calls: [Call] = []
    let perCaller: Int
    let limit: Int

    func count(_ caller: UInt64) -> Int { calls.count { $0.caller == caller } }

    /// Callers whose oldest call may give way.
    mutating func insert(_ call: Call) -> Set<UInt64> {
      if calls.contains(call) { return [] }
      var victims: Set<UInt64> = []
      if count(call.caller) >= perCaller {
        victims = [call.caller]
      } else if calls.count >= limit {
        let most = Set(calls.map(\.caller)).map { count($0) }.max() ?? 0
        victims = Set(calls.map(\.caller).filter { count($0) == most })
      }
      return victims
    }

    mutating func removeOldest(of caller: UInt64) {
      if let at = calls.firstIndex(where: { $0.caller == caller }) { calls.remove(at: at) }
    }
  }

  @Test("a call is answered once, and only by its caller and serial")
  func once() {
    let table = Callers(perCallerLimit: 4, limit: 8, seed: seed)
    #expect(!table.remove(caller: 1, serial: 1))
    table.insert(caller: 1, serial: 1)
    table.insert(caller: 2, serial: 1)
    #expect(!table.remove(caller: 1, serial: 2))
    #expect(!table.remove(caller: 3, serial: 1))
    #expect(table.remove(caller: 1, serial: 1))
    #expect(!table.remove(caller: 1, serial: 1))
    #expect(table.remove(caller: 2, serial: 1))
    #expect(table.count == 0)
  }

  @Test("the same call twice is remembered once")
  func twice() {
    let table = Callers(perCallerLimit: 4, limit: 8, seed: seed)
    table.insert(caller: 1, serial: 1)
    table.insert(caller: 1, serial: 1)
    #expect(table.count == 1)
    #expect(table.remove(caller: 1, serial: 1))
    #expect(!table.remove(caller: 1, serial: 1))
  }

  @Test("a caller beyond its limit loses its own oldest call, nobody else's")
  func perCaller() {
    let table = Callers(perCallerLimit: 3, limit: 100, seed: seed)
    table.insert(caller: 9, serial: 1)
    for serial in 1...5 { table.insert(caller: 1, serial: UInt32(serial)) }
    #expect(table.count == 4)
    #expect([1, 2].allSatisfy { !table.remove(caller: 1, serial: $0) })
    #expect([3, 4, 5].allSatisfy { table.remove(caller: 1, serial: $0) })
    #expect(table.remove(caller: 9, serial: 1))
  }

  @Test("beyond the limit in all, the oldest call of the caller with most gives way")
  func inAll() {
    let table = Callers(perCallerLimit: 100, limit: 6, seed: seed)
    table.insert(caller: 1, serial: 1)
    for serial in 1...4 { table.insert(caller: 2, serial: UInt32(serial)) }
    table.insert(caller: 3, serial: 1)
    table.insert(caller: 4, serial: 1)
    #expect(table.count == 6)
    #expect(!table.remove(caller: 2, serial: 1))
    for (caller, serial) in [(1, 1), (2, 2), (2, 3), (2, 4), (3, 1), (4, 1)] as [(UInt64, UInt32)] {
      #expect(table.remove(caller: caller, serial: serial))
    }
  }

  @Test("a caller whose first call makes the table grow is as known as any", arguments: [16, 32, 64])
  func growsWithNewCaller(slots: Int) {
    let table = Callers(perCallerLimit: 100, limit: 1000, seed: seed)
    for serial in 1...slots { table.insert(caller: 1, serial: UInt32(serial)) }
    table.insert(caller: 2, serial: 1)
    #expect(table.remove(caller: 2, serial: 1))
    for serial in 1...150 { table.insert(caller: 2, serial: UInt32(serial)) }
    #expect(table.count == slots + 100)
    for serial in 1...slots { #expect(table.remove(caller: 1, serial: UInt32(serial))) }
    #expect(table.count == 100)
  }

  @Test("many callers with one call each share the limit")
  func manyCallers() {
    let table = Callers(perCallerLimit: 128, limit: 4096, seed: seed)
    for caller in 0..<20_000 { table.insert(caller: UInt64(caller), serial: 1) }
    #expect(table.count == 4096)
    table.insert(caller: 77_777, serial: 5)
    #expect(table.count == 4096)
    #expect(table.remove(caller: 77_777, serial: 5))
  }

  @Test("behaves as a naive model under random operations", arguments: Array(1...12) as [UInt64])
  func model(number: UInt64) {
    var random = Random(seed: number)
    var model = Model(perCaller: Int(random.below(6)) + 1, limit: Int(random.below(40)) + 1)
    let table = Callers(perCallerLimit: model.perCaller, limit: model.limit, seed: SeededHash(a: random.next(), b: random.next()))
    for _ in 0..<1500 {
      let call = Model.Call(caller: random.below(12) + 1, serial: UInt32(random.below(30)) + 1)
      if random.below(3) == 0 {
        #expect(table.remove(caller: call.caller, serial: call.serial) == model.calls.contains(call))
        model.calls.removeAll { $0 == call }
      } else {
        let isNew = !model.calls.contains(call)
        let victims = model.insert(call)
        table.insert(caller: call.caller, serial: call.serial)
        if victims.count == 1 {
          let oldest = model.calls.first { $0.caller == victims.first! }!
          #expect(!table.remove(caller: oldest.caller, serial: oldest.serial))
          model.removeOldest(of: victims.first!)
        } else if victims.count > 1 {
          // Several have as many: the table picks. Which one it was shows by what is gone.
          let gone = victims.filter { victim in
            let oldest = model.calls.first { $0.caller == victim }!
            let wasThere = table.remove(caller: oldest.caller, serial: oldest.serial)
            return !wasThere
          }
          #expect(gone.count == 1)
          gone.forEach { model.removeOldest(of: $0) }
          // Asking took the other candidates away; the model follows.
          for victim in victims.subtracting(gone) { model.removeOldest(of: victim) }
        }
        if isNew { model.calls.append(call) }
      }
      #expect(table.count == model.calls.count)
    }
    for call in model.calls { #expect(table.remove(caller: call.caller, serial: call.serial)) }
    #expect(table.count == 0)
  }
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
    own.append([UInt8](repeating: 1, count: 8192 - Answer.byteCountMax))
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
