// Which outgoing calls still wait for their answer. Open addressing under a secret seed, so that inserting, finding and
// removing take constant time whatever serials a client picks; no memory until the first call, none per call after.

/// Outgoing calls by serial. An entry is good for one answer.
struct ReplyTable: ~Copyable {
  enum Insertion { case done, full, totalIsFull, serialInUse }

  private var slots: [PendingCall] = []  // serial 0 marks a free slot: no message has it
  private var mask = 0
  private(set) var count = 0
  private let limit: Int
  private let seed: SeededHash
  private var lease: BudgetLease

  private static var free: PendingCall { PendingCall(serial: 0, purpose: .call, expectedSender: .anyone, detail: 0) }
  /// Tables of more slots than this give their memory back when the last call is answered.
  private static let keptSlots = 1024

  init(limit: Int, seed: SeededHash, budget: SharedBudget? = nil) {
    self.limit = limit
    self.seed = seed
    lease = BudgetLease(limit: limit, budget: budget)
  }

  @inline(__always)
  private func home(_ serial: UInt32) -> Int { Self.home(serial, seed, mask) }

  @inline(__always)
  private static func home(_ serial: UInt32, _ seed: SeededHash, _ mask: Int) -> Int {
    Int(truncatingIfNeeded: seed.hash(UInt64(serial))) & mask
  }

  func contains(_ serial: UInt32) -> Bool { place(of: serial) != nil }

  /// Where the call that an answer with this REPLY_SERIAL would be for stands, until the next change; nil: there is none.
  @inline(__always)
  func place(of serial: UInt32) -> Int? {
    if count == 0 { return nil }
    let slots = slots.span
    var at = home(serial)
    while true {
      let found = slots[at].serial
      if found == 0 { return nil }
      if found == serial { return at }
      at = (at &+ 1) & mask
    }
  }

  /// The call at a ``place(of:)``.
  @inline(__always)
  subscript(place: Int) -> PendingCall { slots.span[place] }

  /// The call that an answer with this REPLY_SERIAL would be for.
  @inline(__always)
  func find(_ serial: UInt32) -> PendingCall? {
    guard let at = place(of: serial) else { return nil }
    return self[at]
  }

  /// - Parameter beyondLimit: For calls of the gate's own, which are bounded otherwise.
  @inline(__always)
  mutating func insert(_ call: PendingCall, beyondLimit: Bool = false) -> Insertion {
    precondition(call.serial != 0, "serial 0 is no serial")
    if count >= lease.room && !beyondLimit, let refusal = makeRoom(call.serial) { return refusal }
    if 2 &* (count &+ 1) > slots.count { grow() }
    let mask = mask
    var at = home(call.serial)
    var slots = slots.mutableSpan
    while slots[at].serial != 0 {
      if slots[at].serial == call.serial { return .serialInUse }
      at = (at &+ 1) & mask
    }
    slots[at] = call
    count &+= 1
    return .done
  }

  /// Removes the call with this serial, which must be there.
  mutating func remove(_ serial: UInt32) {
    guard let place = place(of: serial) else { preconditionFailure("removed a call that is not pending") }
    remove(at: place)
  }

  /// Removes the call at a ``place(of:)``, moving back those that had made way for it.
  @inline(__always)
  mutating func remove(at place: Int) {
    let (seed, mask) = (seed, mask)
    var hole = place
    var at = hole
    do {
      var slots = slots.mutableSpan
      while true {
        at = (at &+ 1) & mask
        let call = slots[at]
        if call.serial == 0 { break }
        let distance = (at &- Self.home(call.serial, seed, mask)) & mask
        if distance >= (at &- hole) & mask {
          slots[hole] = call
          hole = at
        }
      }
      slots[hole] = Self.free
    }
    count &-= 1
    if count < lease.shrinksBelow { lease.shrink(to: count) }
    if count == 0 && slots.count > Self.keptSlots {
      slots = []
      self.mask = 0
    }
  }

  /// Why there is no room for one more.
  @inline(never)
  private mutating func makeRoom(_ serial: UInt32) -> Insertion? {
    if contains(serial) { return .serialInUse }
    if count >= limit { return .full }
    // Calls of the gate's own did not ask.
    while lease.room <= count { if !lease.extend() { return .totalIsFull } }
    return nil
  }

  @inline(never)
  private mutating func grow() {
    let old = slots
    slots = Array(repeating: Self.free, count: max(16, old.count * 2))
    mask = slots.count - 1
    for call in old where call.serial != 0 {
      var at = home(call.serial)
      while slots[at].serial != 0 { at = (at &+ 1) & mask }
      slots[at] = call
    }
  }
}
