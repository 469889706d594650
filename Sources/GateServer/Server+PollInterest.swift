// After anything happened to a connection: what became possible is done, then the kernel is asked about what the connection now waits for.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Does what became possible for a connection, then asks the kernel about what it waits for now.
  mutating func updatePollInterest(of slot: UnsafeMutablePointer<Connection>) {
    if unsafe isIdle(slot) {
      unsafe slot.pointee.isIdle = true
      return
    }
    unsafe slot.pointee.isIdle = false
    // Each round sends local output, which makes room for answers to bytes that were read already: at most one buffer's worth.
    while unsafe isLive(slot) {
      let flushedClient = unsafe flushLocalOutput(slot, to: .client)
      let flushedBus = unsafe flushLocalOutput(slot, to: .bus)
      let resumedClient = unsafe resume(slot, .client)
      let resumedBus = unsafe resume(slot, .bus)
      if !(flushedClient || flushedBus || resumedClient || resumedBus) { break }
    }
    if unsafe !isLive(slot) { return }
    if unsafe slot.pointee.isUnauthenticated && !slot.pointee.session.isAuthenticating { unsafe forgetUnauthenticated(slot) }
    if unsafe slot.pointee.closing != .none {
      unsafe continueClosing(slot)
      if unsafe !isLive(slot) { return }
    }
    if unsafe draining != .no && isDelivered(slot) {
      unsafe slot.pointee.end = .stopped
      unsafe closeNow(slot)
      return
    }
    unsafe slot.pointee.session.countPartialWaits(
      receiverIsBusy: (
        client: slot.pointee.pipe(from: .bus).pointee.hasUnsent, bus: slot.pointee.pipe(from: .client).pointee.hasUnsent
      ),
      at: now)
    unsafe watch(slot, .client)
    unsafe watch(slot, .bus)
    unsafe noteDeadline(slot)
    unsafe slot.pointee.isIdle = unsafe isIdle(slot)
  }

  /// Whether all that was read has left and more is awaited from both sides, as after most wake-ups: then nothing changes.
  @inline(__always)
  private mutating func isIdle(_ slot: UnsafeMutablePointer<Connection>) -> Bool {
    unsafe draining == .no && slot.pointee.isWatchingBoth && slot.pointee.pipe(from: .client).pointee.hasNoBacklog
      && slot.pointee.pipe(from: .bus).pointee.hasNoBacklog && slot.pointee.session.isIdle
  }

  /// Offers bytes again that the session would not take before, if what it waited for has come.
  private mutating func resume(_ slot: UnsafeMutablePointer<Connection>, _ side: Side) -> Bool {
    let pipe = unsafe slot.pointee.pipe(from: side)
    if unsafe pipe.pointee.hasUnsent { return false }
    switch unsafe pipe.pointee.wait {
    case .bytes, .bus, .identity, .serial, .owners: return false
    case .localOutput(let receiver):
      if unsafe !slot.pointee.session.hasRoomForAnswers(to: receiver) { return false }
    case .room: break
    }
    unsafe pipe.pointee.wait = .bytes
    if unsafe !pipe.pointee.hasUnconsumed { return false }
    if side == .client { hearObserver(forGate: unsafe slot.pointee.gate) }
    unsafe pump(slot, from: side)
    return true
  }

  /// Asks the kernel about what the connection waits for at one of its sockets, if that has changed.
  @inline(__always)
  private mutating func watch(_ slot: UnsafeMutablePointer<Connection>, _ side: Side) {
    let socket = unsafe slot.pointee.socket(side)
    if socket.fd < 0 { return }
    let wanted = unsafe interest(slot, side)
    if socket.interest == wanted { return }
    unsafe change(slot, side, socket, to: wanted)
  }

  @inline(__always)
  private func interest(_ slot: UnsafeMutablePointer<Connection>, _ side: Side) -> UInt32 {
    let from = unsafe slot.pointee.pipe(from: side)
    let to = unsafe slot.pointee.pipe(from: side.other)
    var events: UInt32 = 0
    let isRead = unsafe draining == .no || isHalfway(slot, from: side)
    if isRead && (unsafe from.pointee.wantsBytes || discards(slot, from: side)) { events |= EPOLLIN.rawValue }
    if unsafe to.pointee.hasUnsent {
      if unsafe !to.pointee.waitsForDescriptors { events |= EPOLLOUT.rawValue }
    } else if unsafe slot.pointee.session.localOutputCount(to: side) > 0 && slot.pointee.session.isAtMessageBoundary(to: side) {
      events |= EPOLLOUT.rawValue
    }
    return events
  }

  private mutating func change(
    _ slot: UnsafeMutablePointer<Connection>, _ side: Side, _ old: Connection.Socket, to events: UInt32
  ) {
    var socket = old
    if socket.isHungUp && events & EPOLLIN.rawValue == 0 { return }  // epoll would report it for ever
    let token = unsafe EventToken.connection(index: slot.pointee.index, generation: slot.pointee.generation, side: side)
    let operation = socket.interest == nil ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
    let result = clinux_epoll_control(epoll, operation, socket.fd, events, token.bits)
    if result < 0 {
      unsafe log.failure(slot, "\(SystemError("cannot watch a connection", result))")
      unsafe closeNow(slot)
      return
    }
    socket.interest = events
    unsafe slot.pointee.setSocket(side, socket)
  }

  // MARK: Deadlines

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
