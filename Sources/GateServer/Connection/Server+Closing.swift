// How connections close. When one side closes, or sends what is no D-Bus, what it had sent before and was allowed is still
// delivered. Then the other side is told by shutdown(2), and what that one still sends is read and dropped until it closes too.
// So nobody loses a message to a connection reset, and nothing waits longer than `drain-timeout`.

import CLinux
import GateSession
import Glibc

extension Server {
  /// The connection has to end, for `reason`.
  mutating func end(_ slot: UnsafeMutablePointer<Connection>, _ reason: CloseReason) {
    if unsafe !isLive(slot) { return }
    unsafe slot.pointee.isIdle = false
    if let limit = LimitName(reason) { hit(limit, gate: unsafe slot.pointee.gate) }
    if unsafe slot.pointee.closeReason == nil { unsafe slot.pointee.closeReason = reason }
    switch reason {
    case .endOfStream(let side):
      if side == .bus {
        forgetBus(unsafe bus(of: slot))
        if unsafe !slot.pointee.session.isHelloAnswered && slot.pointee.closing == .none { unsafe sayHungUp(slot) }
      } else {
        let pipe = unsafe slot.pointee.pipe(from: .client)
        if unsafe slot.pointee.session.saidOnlyHello(unconsumed: pipe.pointee.end - pipe.pointee.start) {
          unsafe closeNow(slot)
          return
        }
      }
      unsafe nothingMore(slot, from: side)
    case .malformed(let side, _), .descriptorMismatch(let side), .handshake(let side, _):
      _ = unsafe flushLocalOutput(slot, to: side)
      _ = unsafe clinux_shutdown(slot.pointee.socket(side).fd, Int32(SHUT_RDWR))
      unsafe nothingMore(slot, from: side)
    case .busChanged:
      forgetBus(unsafe bus(of: slot))
      unsafe closeNow(slot)
    case .authTimeout, .helloTimeout, .partialMessageTimeout, .mutualWait, .drainTimeout, .namesNotFollowed, .monitorRevoked,
      .nameNotReleased:
      unsafe closeNow(slot)
    }
  }

  /// Nothing more is taken from `side`, and nothing more goes there.
  private mutating func nothingMore(_ slot: UnsafeMutablePointer<Connection>, from side: Side) {
    if unsafe slot.pointee.closing != .none {
      // Neither side is left to deliver anything to.
      if unsafe slot.pointee.closing != .delivering(from: side) { unsafe closeNow(slot) }
      return
    }
    unsafe slot.pointee.closing = .delivering(from: side)
    unsafe startDrainTimer(slot)
    let from = unsafe slot.pointee.pipe(from: side)
    unsafe from.pointee.isAtEnd = true
    if unsafe slot.pointee.closeReason != .endOfStream(side) {
      // What stands behind something malformed is not looked at.
      unsafe from.pointee.end = unsafe from.pointee.start
      unsafe releaseBuffer(of: from)
    }
    unsafe stopSending(slot, to: side)
    if side == .bus { unsafe givePlaceAmongHelloPending(slot) }
  }

  /// `side` takes nothing any more: what waits for it is forgotten, what comes for it is dropped.
  private mutating func stopSending(_ slot: UnsafeMutablePointer<Connection>, to side: Side) {
    let pipe = unsafe slot.pointee.pipe(from: side.other)
    unsafe pipe.pointee.isWriteClosed = true
    unsafe slot.pointee.session.localOutputSent(slot.pointee.session.localOutputCount(to: side), to: side)
    unsafe pipe.pointee.closeDescriptors(pipe.pointee.unsent.reduce(0) { $0 + Int($1.descriptors) })
    unsafe pipe.pointee.unsent = []
    unsafe pipe.pointee.dropSpliced()
    unsafe releaseBuffer(of: pipe)
  }

  mutating func startDrainTimer(_ slot: UnsafeMutablePointer<Connection>) {
    if unsafe slot.pointee.drainDeadline != nil { return }
    let limits = gates[unsafe slot.pointee.gate].options.settings.limits
    unsafe slot.pointee.drainDeadline = now.advanced(byMilliseconds: limits.drainTimeout)
  }

  /// Whether what comes from `side` is read only to be dropped, since it was told that the other side has closed. Until then the
  /// session goes on with it, though nobody gets it: what is still to be delivered may wait for the bus's answers.
  func discards(_ slot: UnsafeMutablePointer<Connection>, from side: Side) -> Bool {
    unsafe slot.pointee.closing == .draining(from: side)
  }

  /// Goes on with closing as far as it can.
  mutating func continueClosing(_ slot: UnsafeMutablePointer<Connection>) {
    guard case .delivering(let side) = unsafe slot.pointee.closing else { return }
    let pipe = unsafe slot.pointee.pipe(from: side)
    if unsafe pipe.pointee.hasUnsent { return }
    if unsafe pipe.pointee.hasUnconsumed {
      switch unsafe pipe.pointee.wait {
      case .bytes: break  // the beginning of a message whose end will never come
      case .room, .bus, .identity, .localOutput, .serial, .owners: return
      }
    }
    let other = unsafe slot.pointee.socket(side.other)
    if other.fd < 0 {
      unsafe closeNow(slot)
      return
    }
    let isLocalOutputLeft = unsafe slot.pointee.session.localOutputCount(to: side.other) > 0
    if unsafe isLocalOutputLeft && slot.pointee.session.isAtMessageBoundary(to: side.other) { return }
    _ = clinux_shutdown(other.fd, Int32(SHUT_WR))
    unsafe slot.pointee.closing = .draining(from: side.other)
  }

  /// Reads and drops what nobody will get.
  mutating func discard(_ slot: UnsafeMutablePointer<Connection>, from side: Side) {
    guard let buffer = unsafe try? pool.take() else {
      unsafe closeNow(slot)
      return
    }
    var count: UInt32 = 0
    var truncated: Int32 = 0
    let n = unsafe clinux_receive(
      slot.pointee.socket(side).fd, buffer, BufferPool.bufferByteCount, received, &count, &truncated)
    for i in 0..<Int(count) { unsafe closeDescriptor(received[i]) }
    unsafe pool.give(buffer)
    if n > 0 || -n == EAGAIN || -n == EINTR { return }
    if side == .bus { forgetBus(unsafe bus(of: slot)) }
    unsafe closeNow(slot)
  }

  /// The peer hung up while nothing is read from it: its socket leaves the poll set, or it would be reported for ever.
  mutating func hangUp(_ slot: UnsafeMutablePointer<Connection>, _ side: Side) {
    var socket = unsafe slot.pointee.socket(side)
    if socket.interest != nil { _ = clinux_epoll_control(epoll, EPOLL_CTL_DEL, socket.fd, 0, 0) }
    socket.interest = nil
    socket.isHungUp = true
    unsafe slot.pointee.setSocket(side, socket)
    unsafe stopSending(slot, to: side)
    unsafe startDrainTimer(slot)
    if unsafe side == .client && leavesUnannounced(slot) { unsafe closeNow(slot) }
  }

  /// Closes the connection at once, with everything that it holds.
  mutating func closeNow(_ slot: UnsafeMutablePointer<Connection>) {
    if unsafe !isLive(slot) { return }
    let gate = unsafe slot.pointee.gate
    unsafe countEnd(slot)
    unsafe logEnd(slot)
    unsafe forgetUnauthenticated(slot)
    unsafe leaveBus(slot)
    unsafe slot.pointee.closeDescriptors()
    for side in [Side.client, .bus] {
      let pipe = unsafe slot.pointee.pipe(from: side)
      unsafe pipe.pointee.unsent = []
      unsafe pipe.pointee.dropSpliced()
      unsafe pipe.pointee.start = unsafe pipe.pointee.end
      unsafe releaseBuffer(of: pipe)
    }
    gates[gate].connectionCount -= 1
    unsafe slots[slot.pointee.index] = nil
    unsafe ended.append(slot)
    resumeAccepting()
  }

  /// Logs the end of a connection; an ordinary one only where everything is logged.
  private mutating func logEnd(_ slot: UnsafeMutablePointer<Connection>) {
    let isOrdinary =
      switch unsafe slot.pointee.closeReason {
      case nil, .endOfStream: true
      default: false
      }
    unsafe log.closed(slot, isLogged: !isOrdinary || gates[slot.pointee.gate].options.settings.logging == .everything)
  }

  /// Closes all connections at once.
  mutating func closeConnections() {
    for index in unsafe slots.indices {
      if let slot = unsafe slots[index] { unsafe closeNow(slot) }
    }
  }

  /// Frees connections that ended, once all events of a wake-up are dealt with: until then some may point to them.
  mutating func releaseEnded() {
    if unsafe ended.isEmpty { return }
    while let slot = unsafe ended.popLast() {
      freeSlots.append(unsafe slot.pointee.index)
      unsafe release(slot)
    }
    giveBackMemory()
    for bus in buses.indices where !buses[bus].waitingForBus.isEmpty { connectWaiting(bus: bus) }
  }

  /// Gives memory back to the kernel when half of many connections are gone: malloc(3) by itself gives back only what lies on
  /// top.
  private mutating func giveBackMemory() {
    let live = unsafe slots.count - freeSlots.count
    if 2 * live > mostConnections || mostConnections < Self.manyConnections { return }
    mostConnections = live
    clinux_give_back_memory()
  }
  private static let manyConnections = 64

  mutating func release(_ slot: UnsafeMutablePointer<Connection>) {
    unsafe closeNow(slot)
    unsafe slot.deinitialize(count: 1)
    unsafe slot.deallocate()
  }
}
