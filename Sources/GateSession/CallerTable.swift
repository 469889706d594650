// Which incoming calls the client may still answer. Bounded per caller and in all; where there are too many, the oldest call
// of the caller that has most gives way, so that one noisy peer on the bus cannot take the answers of the others.
//
// Everything is O(1): calls hang in a hash chain and in their caller's queue (oldest first); callers hang in a hash chain and in
// a list of the callers that have just as many calls, so that the caller with most is found without looking.

/// Incoming calls without an answer, by caller and serial.
struct CallerTable: ~Copyable {
  private struct Call: BitwiseCopyable {
    var caller: Int32
    var serial: UInt32
    var older: Int32 = -1
    var newer: Int32 = -1
    var nextInChain: Int32 = -1
  }
  private struct Caller: BitwiseCopyable {
    var name: UInt64
    var count: Int32 = 0
    var oldest: Int32 = -1
    var newest: Int32 = -1
    var nextInChain: Int32 = -1
    var previousPeer: Int32 = -1
    var nextPeer: Int32 = -1
  }

  private var calls: [Call] = []
  private var callers: [Caller] = []
  private var callChains: [Int32] = []
  private var callerChains: [Int32] = []
  private var freeCall: Int32 = -1
  private var freeCaller: Int32 = -1
  /// First of the callers that have exactly n calls, at index n.
  private var peers: [Int32] = []
  private var most = 0
  private(set) var count = 0
  /// Calls that gave way to a newer one of their caller, or of any.
  private(set) var displacedPerCaller: UInt64 = 0, displacedInAll: UInt64 = 0

  private let perCallerLimit: Int
  private let limit: Int
  private let seed: SeededHash

  init(perCallerLimit: Int, limit: Int, seed: SeededHash) {
    self.perCallerLimit = perCallerLimit
    self.limit = limit
    self.seed = seed
  }

  private func chain(_ name: UInt64, _ serial: UInt32) -> Int {
    Int(truncatingIfNeeded: seed.hash(name, UInt64(serial))) & (callChains.count - 1)
  }
  private func chain(_ name: UInt64) -> Int { Int(truncatingIfNeeded: seed.hash(name)) & (callerChains.count - 1) }

  /// Whether there are so few that the next one displaces none, whoever calls.
  var hasRoomForAny: Bool { count < min(perCallerLimit, limit) }

  /// Remembers that `name` (a hash) called with `serial`. The same call twice is remembered once.
  mutating func insert(caller name: UInt64, serial: UInt32) {
    if callChains.isEmpty { makeTables(slots: 16) }
    if findCall(name, serial) >= 0 { return }
    var caller = findCaller(name)
    if caller >= 0 && Int(callers[Int(caller)].count) >= perCallerLimit {
      removeCall(callers[Int(caller)].oldest)
      displacedPerCaller += 1
    } else if count >= limit {
      removeCall(callers[Int(peers[most])].oldest)
      displacedInAll += 1
    }
    // Before the caller is added: growing puts only those into the new chains that have calls.
    if count == callChains.count { rehash() }
    caller = findCaller(name)  // it may have gone with its last call
    if caller < 0 { caller = addCaller(name) }
    addCall(caller, serial)
  }

  /// Takes the call away if it is there; says whether it was.
  mutating func remove(caller name: UInt64, serial: UInt32) -> Bool {
    if count == 0 { return false }
    let call = findCall(name, serial)
    if call < 0 { return false }
    removeCall(call)
    return true
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

  // MARK: Calls

  private mutating func addCall(_ caller: Int32, _ serial: UInt32) {
    var call = Call(caller: caller, serial: serial)
    call.older = callers[Int(caller)].newest
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
    if call.older >= 0 { calls[Int(call.older)].newer = at } else { callers[Int(caller)].oldest = at }
    callers[Int(caller)].newest = at
    count += 1
    setCount(caller, callers[Int(caller)].count + 1)
  }

  private mutating func removeCall(_ at: Int32) {
    let call = calls[Int(at)]
    let caller = call.caller
    if call.older >= 0 { calls[Int(call.older)].newer = call.newer } else { callers[Int(caller)].oldest = call.newer }
    if call.newer >= 0 { calls[Int(call.newer)].older = call.older } else { callers[Int(caller)].newest = call.older }
    let head = chain(callers[Int(caller)].name, call.serial)
    if callChains[head] == at {
      callChains[head] = call.nextInChain
    } else {
      var before = callChains[head]
      while calls[Int(before)].nextInChain != at { before = calls[Int(before)].nextInChain }
      calls[Int(before)].nextInChain = call.nextInChain
    }
    calls[Int(at)].nextInChain = freeCall
    freeCall = at
    count -= 1
    setCount(caller, callers[Int(caller)].count - 1)
    if callers[Int(caller)].count == 0 { removeCaller(caller) }
  }

  // MARK: Callers

  private mutating func addCaller(_ name: UInt64) -> Int32 {
    var caller = Caller(name: name)
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
    callers[Int(at)].nextInChain = freeCaller
    freeCaller = at
  }

  /// Moves a caller to the list of those with `new` calls.
  private mutating func setCount(_ at: Int32, _ new: Int32) {
    let caller = callers[Int(at)]
    if caller.count > 0 {
      if caller.previousPeer >= 0 {
        callers[Int(caller.previousPeer)].nextPeer = caller.nextPeer
      } else {
        peers[Int(caller.count)] = caller.nextPeer
      }
      if caller.nextPeer >= 0 { callers[Int(caller.nextPeer)].previousPeer = caller.previousPeer }
    }
    callers[Int(at)].count = new
    callers[Int(at)].previousPeer = -1
    callers[Int(at)].nextPeer = -1
    if new > 0 {
      while peers.count <= Int(new) { peers.append(-1) }
      let next = peers[Int(new)]
      callers[Int(at)].nextPeer = next
      if next >= 0 { callers[Int(next)].previousPeer = at }
      peers[Int(new)] = at
    }
    if Int(new) > most { most = Int(new) }
    while most > 0 && peers[most] < 0 { most -= 1 }
  }

  // MARK: Growing

  private mutating func makeTables(slots: Int) {
    callChains = Array(repeating: -1, count: slots)
    callerChains = Array(repeating: -1, count: slots)
  }

  private mutating func rehash() {
    makeTables(slots: callChains.count * 2)
    var live = peers.dropFirst().filter { $0 >= 0 }
    while let at = live.popLast() {
      let caller = callers[Int(at)]
      if caller.nextPeer >= 0 { live.append(caller.nextPeer) }
      let head = chain(caller.name)
      callers[Int(at)].nextInChain = callerChains[head]
      callerChains[head] = at
      var call = caller.oldest
      while call >= 0 {
        let head = chain(caller.name, calls[Int(call)].serial)
        calls[Int(call)].nextInChain = callChains[head]
        callChains[head] = call
        call = calls[Int(call)].newer
      }
    }
  }
}
