// Which incoming calls the client may still answer. Bounded per caller and in all: a call beyond is refused, so that none that was
// forwarded is forgotten before it is answered. Where there is little room left, a caller with more than its share gets no more of it, so
// that one noisy peer on the bus cannot keep the others out; and callers that have left the bus are looked for, so that they do not.
//
// Everything is O(1), but forgetting a caller, which takes the number of its calls: calls hang in a hash chain and in their caller's
// list; callers hang in a hash chain and in a queue, at whose head is the one that nothing has been known of for the longest time.

import DBusWire

/// Incoming calls without an answer, by caller and serial.
struct CallerTable: ~Copyable {
  enum Insertion {
    case done
    /// There are `pending-incoming-per-caller-max` of this caller.
    case callerIsFull
    /// There are `pending-incoming-max`, or so many that this caller has its share of them.
    case isFull
    /// There are `pending-replies-total` in the gate.
    case totalIsFull
  }

  private struct Call: BitwiseCopyable {
    var caller: Int32
    var serial: UInt32
    /// How often the bus brought it, each of which is good for an answer. (Buses refuse a serial that is outstanding; one that gave up
    /// waiting does not.)
    var copies: Int32 = 1
    var previous: Int32 = -1
    var next: Int32 = -1
    var nextInChain: Int32 = -1
  }
  private struct Caller: BitwiseCopyable {
    var name: UInt64
    var text: UniqueNameText
    var count: Int32 = 0
    var firstCall: Int32 = -1
    var nextInChain: Int32 = -1
    /// In the queue.
    var previous: Int32 = -1
    var next: Int32 = -1
    /// What ``attempts`` was when it was last known to be on the bus.
    var seen: UInt32
  }

  private var calls: [Call] = []
  private var callers: [Caller] = []
  private var callChains: [Int32] = []
  private var callerChains: [Int32] = []
  private var freeCall: Int32 = -1
  private var freeCaller: Int32 = -1
  private var head: Int32 = -1
  private var tail: Int32 = -1
  private(set) var count = 0
  private var callerCount = 0
  /// Calls that came while ``isCrowded``.
  private var attempts: UInt32 = 0

  private let perCallerLimit: Int
  private let limit: Int
  private let seed: SeededHash
  private var lease: BudgetLease

  /// Tables of more calls than this give their memory back when the last one is answered.
  private static let keptCalls = 64

  init(perCallerLimit: Int, limit: Int, seed: SeededHash, budget: SharedBudget? = nil) {
    self.perCallerLimit = perCallerLimit
    self.limit = limit
    self.seed = seed
    lease = BudgetLease(limit: limit, budget: budget)
  }

  private func chain(_ name: UInt64, _ serial: UInt32) -> Int {
    Int(truncatingIfNeeded: seed.hash(name, UInt64(serial))) & (callChains.count - 1)
  }
  private func chain(_ name: UInt64) -> Int { Int(truncatingIfNeeded: seed.hash(name)) & (callerChains.count - 1) }

  /// Whether there are so few that the next one finds room, whoever calls, and nothing else is to be done.
  @inline(__always)
  var hasRoomForAny: Bool { count < lease.room && count < perCallerLimit && 2 &* count < limit && !lease.isScarce }

  /// Whether there are so many that callers that are gone should make room.
  var isCrowded: Bool { 2 * count >= limit || lease.isScarce }

  /// Remembers that the unique name `text`, whose hash is `name`, called with `serial`, if there is room.
  mutating func insert(caller name: UInt64, _ text: RawSpan, serial: UInt32) -> Insertion {
    if callChains.isEmpty { makeTables(slots: 16) }
    var caller = findCaller(name)
    if isCrowded {
      attempts &+= 1
      if caller >= 0 { noteSeen(caller) }
    }
    if let refusal = refusal(calls: caller < 0 ? 0 : Int(callers[Int(caller)].count), isNew: caller < 0) { return refusal }
    if caller >= 0, case let call = findCall(name, serial), call >= 0 {
      calls[Int(call)].copies += 1
    } else {
      // Before the caller is added: growing puts only those into the new chains that have calls.
      if count == callChains.count { rehash() }
      if caller < 0 { caller = addCaller(name, UniqueNameText(text)) }
      addCall(caller, serial)
    }
    count += 1
    callers[Int(caller)].count += 1
    return .done
  }

  /// Why a caller with so many calls may have no further one.
  private mutating func refusal(calls: Int, isNew: Bool) -> Insertion? {
    if calls >= perCallerLimit { return .callerIsFull }
    if count >= limit { return .isFull }
    if 4 * (count + 1) > 3 * limit && calls >= max(1, limit / (callerCount + (isNew ? 1 : 0))) { return .isFull }
    return count < lease.room || lease.extend() ? nil : .totalIsFull
  }

  /// Whether the call is there.
  func contains(caller name: UInt64, serial: UInt32) -> Bool { count > 0 && findCall(name, serial) >= 0 }

  /// Takes the call away if it is there; says whether it was.
  mutating func remove(caller name: UInt64, serial: UInt32) -> Bool {
    if count == 0 { return false }
    let call = findCall(name, serial)
    if call < 0 { return false }
    let caller = calls[Int(call)].caller
    count -= 1
    callers[Int(caller)].count -= 1
    if calls[Int(call)].copies > 1 { calls[Int(call)].copies -= 1 } else { removeCall(call) }
    if callers[Int(caller)].count == 0 { removeCaller(caller) }
    if count < lease.shrinksBelow { lease.shrink(to: count) }
    if count == 0 { giveMemoryBack() }
    return true
  }

  /// Forgets all calls of a caller, which is gone.
  mutating func removeAll(of name: UInt64) {
    if count == 0 { return }
    let caller = findCaller(name)
    if caller < 0 { return }
    count -= Int(callers[Int(caller)].count)
    while case let call = callers[Int(caller)].firstCall, call >= 0 { removeCall(call) }
    removeCaller(caller)
    if count < lease.shrinksBelow { lease.shrink(to: count) }
    if count == 0 { giveMemoryBack() }
  }

  private func findCall(_ name: UInt64, _ serial: UInt32) -> Int32 {
    var at = callChains[chain(name, serial)]
    while at >= 0 {
      let call = calls[Int(at)]
      if call.serial == serial && callers[Int(call.caller)].name == name { return at }
      at = call.nextInChain
    }
    return -1
  }

  private func findCaller(_ name: UInt64) -> Int32 {
    var at = callerChains[chain(name)]
    while at >= 0 && callers[Int(at)].name != name { at = callers[Int(at)].nextInChain }
    return at
  }

  // MARK: Callers that may be gone

  /// The caller that nothing has been known of for the longest time, if it is time to ask the bus for it: while there are many calls, and
  /// none again before a fair number of calls has come.
  mutating func takeCallerToAsk() -> (name: UInt64, text: [UInt8])? {
    if head < 0 || !isCrowded || attempts &- callers[Int(head)].seen < askedEvery { return nil }
    let caller = callers[Int(head)]
    noteSeen(head)
    return caller.text.isWhole ? (caller.name, caller.text.bytes) : nil
  }

  /// After so many calls a caller may be asked for again: then as many of those that are gone are still here, at most.
  private var askedEvery: UInt32 { UInt32(clamping: max(1, limit / 4)) }

  /// A caller is known to be there, or soon will be.
  private mutating func noteSeen(_ at: Int32) {
    callers[Int(at)].seen = attempts
    if at == tail { return }
    unlink(at)
    append(at)
  }

  // MARK: Calls

  private mutating func addCall(_ caller: Int32, _ serial: UInt32) {
    var call = Call(caller: caller, serial: serial)
    call.next = callers[Int(caller)].firstCall
    let head = chain(callers[Int(caller)].name, serial)
    call.nextInChain = callChains[head]
    let at: Int32
    if freeCall >= 0 {
      at = freeCall
      freeCall = calls[Int(at)].nextInChain
      calls[Int(at)] = call
    } else {
      at = Int32(calls.count)
      calls.append(call)
    }
    callChains[head] = at
    if call.next >= 0 { calls[Int(call.next)].previous = at }
    callers[Int(caller)].firstCall = at
  }

  private mutating func removeCall(_ at: Int32) {
    let call = calls[Int(at)]
    if call.previous >= 0 {
      calls[Int(call.previous)].next = call.next
    } else {
      callers[Int(call.caller)].firstCall = call.next
    }
    if call.next >= 0 { calls[Int(call.next)].previous = call.previous }
    let head = chain(callers[Int(call.caller)].name, call.serial)
    if callChains[head] == at {
      callChains[head] = call.nextInChain
    } else {
      var before = callChains[head]
      while calls[Int(before)].nextInChain != at { before = calls[Int(before)].nextInChain }
      calls[Int(before)].nextInChain = call.nextInChain
    }
    calls[Int(at)].nextInChain = freeCall
    freeCall = at
  }

  // MARK: Callers

  private mutating func addCaller(_ name: UInt64, _ text: UniqueNameText) -> Int32 {
    // As long as there is room nobody is asked for; then those who came before are the first.
    var caller = Caller(name: name, text: text, seen: isCrowded ? attempts : attempts &- askedEvery)
    let head = chain(name)
    caller.nextInChain = callerChains[head]
    let at: Int32
    if freeCaller >= 0 {
      at = freeCaller
      freeCaller = callers[Int(at)].nextInChain
      callers[Int(at)] = caller
    } else {
      at = Int32(callers.count)
      callers.append(caller)
    }
    callerChains[head] = at
    append(at)
    callerCount += 1
    return at
  }

  private mutating func removeCaller(_ at: Int32) {
    let head = chain(callers[Int(at)].name)
    if callerChains[head] == at {
      callerChains[head] = callers[Int(at)].nextInChain
    } else {
      var before = callerChains[head]
      while callers[Int(before)].nextInChain != at { before = callers[Int(before)].nextInChain }
      callers[Int(before)].nextInChain = callers[Int(at)].nextInChain
    }
    unlink(at)
    callers[Int(at)].nextInChain = freeCaller
    freeCaller = at
    callerCount -= 1
  }

  private mutating func append(_ at: Int32) {
    callers[Int(at)].previous = tail
    callers[Int(at)].next = -1
    if tail >= 0 { callers[Int(tail)].next = at } else { head = at }
    tail = at
  }

  private mutating func unlink(_ at: Int32) {
    let caller = callers[Int(at)]
    if caller.previous >= 0 { callers[Int(caller.previous)].next = caller.next } else { head = caller.next }
    if caller.next >= 0 { callers[Int(caller.next)].previous = caller.previous } else { tail = caller.previous }
  }

  // MARK: Memory

  private mutating func makeTables(slots: Int) {
    callChains = Array(repeating: -1, count: slots)
    callerChains = Array(repeating: -1, count: slots)
  }

  private mutating func rehash() {
    makeTables(slots: callChains.count * 2)
    var at = head
    while at >= 0 {
      let caller = callers[Int(at)]
      let head = chain(caller.name)
      callers[Int(at)].nextInChain = callerChains[head]
      callerChains[head] = at
      var call = caller.firstCall
      while call >= 0 {
        let head = chain(caller.name, calls[Int(call)].serial)
        calls[Int(call)].nextInChain = callChains[head]
        callChains[head] = call
        call = calls[Int(call)].next
      }
      at = caller.next
    }
  }

  private mutating func giveMemoryBack() {
    if callChains.count <= Self.keptCalls { return }
    (calls, callers, callChains, callerChains) = ([], [], [], [])
    (freeCall, freeCaller) = (-1, -1)
  }
}
