// How connections close. When one side closes, or sends what is no D-Bus, what it had sent before and was allowed is still
// delivered. Then the other side is told by shutdown(2), and what that one still sends is read and dropped until it closes too.
// So nobody loses a message to a connection reset, and nothing waits longer than `drain-timeout`.

import CLinux
import GateSession
import Glibc

extension Connection {
  /// The connection has to end, for `reason`.
  mutating func end(_ reason: CloseReason, _ gate: inout Gate, _ io: inout IOContext) {
    if !isLive { return }
    isIdle = false
    if let limit = LimitName(reason) { gate.metrics.hit(limit) }
    if closeReason == nil { closeReason = reason }
    switch reason {
    case .endOfStream(.bus):
      raise(.busGone, &io)
      if !session.isHelloAnswered && closing == .none { sayHungUp(gate, io.log) }
      nothingMore(from: .bus, &gate, &io)
    case .endOfStream(.client):
      if session.saidOnlyHello(unconsumed: unconsumedOfClient) {
        close(&gate, &io)
      } else {
        nothingMore(from: .client, &gate, &io)
      }
    case .malformed(let side, _), .descriptorMismatch(let side), .handshake(let side, _):
      _ = flushLocalOutput(to: side, &gate, &io)
      _ = clinux_shutdown(sockets[side].fd, Int32(SHUT_RDWR))
      nothingMore(from: side, &gate, &io)
    case .busChanged:
      raise(.busGone, &io)
      close(&gate, &io)
    case .authTimeout, .helloTimeout, .partialMessageTimeout, .mutualWait, .drainTimeout, .namesNotFollowed, .monitorRevoked,
      .nameNotReleased:
      close(&gate, &io)
    }
  }

  /// A bus that hangs up behind the handshake refuses the gate without a reason. The log suggests one.
  mutating func sayHungUp(_ gate: borrowing Gate, _ log: Log) {
    log.failure(&client, BusEndpoint.hungUp(gate.options.bus.address))
  }

  /// Nothing more is taken from `side`, and nothing more goes there.
  private mutating func nothingMore(from side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    if closing != .none {
      // Neither side is left to deliver anything to.
      if closing != .delivering(from: side) { close(&gate, &io) }
      return
    }
    closing = .delivering(from: side)
    startDrainTimer(gate, io.now)
    pipes[side].isAtEnd = true
    if closeReason != .endOfStream(side) {
      // What stands behind something malformed is not looked at.
      pipes[side].buffer.dropUnconsumed()
      pipes[side].releaseBuffer(to: &io.pool)
    }
    stopSending(to: side, &io)
    if side == .bus { raise(.helloDone, &io) }
  }

  /// `side` takes nothing any more: what waits for it is forgotten, what comes for it is dropped.
  private mutating func stopSending(to side: Side, _ io: inout IOContext) {
    pipes[side.other].isWriteClosed = true
    session.localOutputSent(session.localOutputCount(to: side), to: side)
    pipes[side.other].dropUnsent()
    pipes[side.other].releaseBuffer(to: &io.pool)
  }

  /// Whether what comes from `side` is read only to be dropped, since it was told that the other side has closed. Until then the
  /// session goes on with it, though nobody gets it: what is still to be delivered may wait for the bus's answers.
  func discards(from side: Side) -> Bool { closing == .draining(from: side) }

  /// Goes on with closing as far as it can.
  mutating func continueClosing(_ gate: inout Gate, _ io: inout IOContext) {
    guard case .delivering(let side) = closing else { return }
    if pipes[side].hasUnsent { return }
    // Without an event that it waits for, what is left is the beginning of a message whose end will never come.
    if pipes[side].buffer.hasUnconsumed && pipes[side].waitsForEvent { return }
    let other = side.other
    if sockets[other].fd < 0 {
      close(&gate, &io)
      return
    }
    if session.localOutputCount(to: other) > 0 && session.isAtMessageBoundary(to: other) { return }
    _ = clinux_shutdown(sockets[other].fd, Int32(SHUT_WR))
    closing = .draining(from: other)
  }

  /// Reads and drops what nobody will get.
  mutating func discard(from side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    // The beginning of a message may still stand there, whose end comes now.
    pipes[side].buffer.dropUnconsumed()
    do throws(SystemError) { try pipes[side].buffer.lend(from: &io.pool) } catch {
      io.log.failure(&client, "\(error)")
      close(&gate, &io)
      return
    }
    let n = pipes[side].buffer.discard(from: sockets[side].fd, &io.received)
    pipes[side].buffer.giveBack(to: &io.pool)
    if n > 0 || -n == EAGAIN || -n == EINTR { return }
    if side == .bus { raise(.busGone, &io) }
    close(&gate, &io)
  }

  /// The peer hung up while nothing is read from it: its socket leaves the poll set, or it would be reported for ever.
  mutating func hangUp(_ side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    if sockets[side].interest != nil { io.poll.remove(sockets[side].fd) }
    sockets[side].interest = nil
    sockets[side].isHungUp = true
    stopSending(to: side, &io)
    startDrainTimer(gate, io.now)
    if side == .client && leavesUnannounced { close(&gate, &io) }
  }

  /// Whether the client is gone and has sent nothing but Hello: the bus need not learn of it.
  var leavesUnannounced: Bool {
    let fd = sockets[.client].fd
    if clinux_is_hung_up(fd) == 0 || clinux_unread(fd) > 0 { return false }
    return session.saidOnlyHello(unconsumed: unconsumedOfClient)
  }

  /// Closes the connection at once, with everything that it holds. The server forgets it after the wake-up.
  mutating func close(_ gate: inout Gate, _ io: inout IOContext) {
    if !isLive { return }
    gate.connectionCount -= 1
    gate.metrics.ended(session, end ?? closeReason.map { ConnectionEnd($0) } ?? .error)
    if !endsOrdinarily || gate.options.settings.logging == .everything {
      io.log.closed(&client, session.counters, closeReason)
    }
    closeDescriptors(&io.pool)
    isIdle = false
    raise(.ended, &io)
  }

  private var endsOrdinarily: Bool {
    switch closeReason {
    case nil, .endOfStream: true
    default: false
    }
  }

  // MARK: When the gate closes

  /// Whether nothing that was decided on waits to be sent.
  var isDelivered: Bool {
    mutating get {
      for side in [Side.client, .bus] {
        if isHalfway(from: side.other) { return false }
        if pipes[side.other].isWriteClosed { continue }
        if pipes[side.other].hasUnsent { return false }
        if session.localOutputCount(to: side) > 0 && session.isAtMessageBoundary(to: side) { return false }
      }
      return true
    }
  }

  /// Whether the end of a message from `side` is missing, of which its receiver has the beginning.
  func isHalfway(from side: Side) -> Bool {
    !pipes[side].isWriteClosed && !pipes[side].isAtEnd && !session.isAtMessageBoundary(to: side.other)
  }
}
