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
}
