// What is due when: the earliest of all deadlines, and what is done when one has passed.

import GateSession

extension Server {
  /// How often a receiver that has not taken its descriptors is looked at, in milliseconds: the kernel has no event for it.
  private static let descriptorPoll: UInt64 = 5

  mutating func noteDeadline(_ slot: UnsafeMutablePointer<Connection>) {
    if let deadline = unsafe deadline(of: slot), nextDeadline.map({ deadline < $0 }) ?? true { nextDeadline = deadline }
  }

  private mutating func deadline(of slot: UnsafeMutablePointer<Connection>) -> Instant? {
    var earliest = unsafe slot.pointee.session.deadline
    if let drain = unsafe slot.pointee.drainDeadline, earliest.map({ drain < $0 }) ?? true { earliest = drain }
    if unsafe slot.pointee.pipe(from: .client).pointee.waitsForDescriptors
      || slot.pointee.pipe(from: .bus).pointee.waitsForDescriptors
    {
      let poll = now.advanced(byMilliseconds: Self.descriptorPoll)
      if earliest.map({ poll < $0 }) ?? true { earliest = poll }
    }
    return earliest
  }

  /// When something is due, at the earliest.
  mutating func earliestDeadline() -> Instant? {
    if observersWantCare { return now }
    var earliest = nextDeadline
    if let retryAt, earliest.map({ retryAt < $0 }) ?? true { earliest = retryAt }
    if let observerDeadline, earliest.map({ observerDeadline < $0 }) ?? true { earliest = observerDeadline }
    if let probeDeadline, earliest.map({ probeDeadline < $0 }) ?? true { earliest = probeDeadline }
    if let roomAt, earliest.map({ roomAt < $0 }) ?? true { earliest = roomAt }
    if case .until(let until) = draining, earliest.map({ until < $0 }) ?? true { earliest = until }
    if let adminDeadline, earliest.map({ adminDeadline < $0 }) ?? true { earliest = adminDeadline }
    if let expiry = splicePool.expiry, earliest.map({ expiry < $0 }) ?? true { earliest = expiry }
    if let next = heartbeat?.next, earliest.map({ next < $0 }) ?? true { earliest = next }
    if let due = log.deadline, earliest.map({ due < $0 }) ?? true { earliest = due }
    return earliest
  }

  /// Ends what has taken too long. All connections are looked at, but only when the earliest deadline has passed.
  mutating func expireDeadlines() {
    retry()
    expireProbes()
    lookForRoom()
    expireAdminClients()
    splicePool.expire(at: now)
    guard let due = nextDeadline, now >= due else { return }
    nextDeadline = nil
    for index in unsafe slots.indices {
      guard let slot = unsafe slots[index] else { continue }
      if let reason = unsafe slot.pointee.session.expire(at: now) {
        unsafe end(slot, reason)
        unsafe updatePollInterest(of: slot)
      } else if let drain = unsafe slot.pointee.drainDeadline, now >= drain {
        unsafe end(slot, .drainTimeout)
      } else {
        unsafe lookForDescriptorsTaken(slot)
      }
      if unsafe isLive(slot) { unsafe noteDeadline(slot) }
    }
  }

  /// Sends on if a receiver that descriptors waited for has taken those under way.
  private mutating func lookForDescriptorsTaken(_ slot: UnsafeMutablePointer<Connection>) {
    for side in [Side.client, .bus] where unsafe slot.pointee.pipe(from: side.other).pointee.waitsForDescriptors {
      unsafe sendUnsent(slot, to: side)
      unsafe updatePollInterest(of: slot)
    }
  }
}
