// A connection's turn: what epoll said, then whatever became possible, then the kernel is asked about what the connection waits for now.

import CLinux
import GateSession
import Glibc

extension Connection {
  /// Begins with what epoll said about one of the sockets.
  @inline(__always)
  mutating func wake(_ side: Side, _ events: UInt32, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    if events == PollSet.readable && isIdle && !gate.isDraining { return wakeIdle(side, &gate, &io) }
    return wakeFromWait(side, events, &gate, &io)
  }

  @inline(never)
  private mutating func wakeIdle(_ side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    if expectsLarge(from: side) && splice(from: side, &gate, &io) { return isIdle ? .over : .toFinish }
    return readIdle(from: side, &gate, &io)
  }

  @inline(never)
  private mutating func wakeFromWait(_ side: Side, _ events: UInt32, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    if !isLive { return .over }
    isIdle = false
    if side == .bus, case .connecting = busLink {
      finishConnecting(&gate, &io)
      return .toFinish
    }
    if events & PollSet.writable != 0 { sendUnsent(to: side, &gate, &io) }
    if !isLive || events & (PollSet.readable | PollSet.hungUp) == 0 { return .toFinish }
    if discards(from: side) {
      discard(from: side, &gate, &io)
    } else if pipes[side].wantsBytes {
      // The other direction may be stuck, which does not matter to this one.
      if events & PollSet.readable != 0 && maySplice(from: side, &gate) { return spliceOrRead(from: side, &gate, &io) }
      return read(from: side, &gate, &io)
    } else if events & PollSet.hungUp != 0 {
      hangUp(side, &gate, &io)
    }
    return .toFinish
  }

  @inline(__always)
  private mutating func spliceOrRead(from side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    if expectsLarge(from: side) && splice(from: side, &gate, &io) { return isIdle ? .over : .toFinish }
    return read(from: side, &gate, &io)
  }

  /// Whether bytes of the client may be offered again before the turn is over.
  var mayResumeClient: Bool {
    pipes[.client].buffer.hasUnconsumed && (pipes[.client].isToOffer || pipes[.client].waitsForEvent)
  }

  /// Does what became possible, then asks the kernel about what the connection waits for now.
  mutating func finishTurn(_ gate: inout Gate, _ io: inout IOContext) {
    if !isLive { return }
    isIdle = canRest(gate)
    if isIdle { return }
    for side in [Side.client, .bus] where pipes[side].isToOffer { _ = resume(side, &gate, &io) }
    // Each round sends local output, which makes room for answers to bytes that were read already: at most one buffer's worth.
    while isLive {
      let flushedClient = flushLocalOutput(to: .client, &gate, &io)
      let flushedBus = flushLocalOutput(to: .bus, &gate, &io)
      let resumedClient = resume(.client, &gate, &io)
      let resumedBus = resume(.bus, &gate, &io)
      if !(flushedClient || flushedBus || resumedClient || resumedBus) { break }
    }
    if isLive && isUnauthenticated && !session.isAuthenticating {
      isUnauthenticated = false
      raise(.registered, &io)
    }
    if isLive && closing != .none { continueClosing(&gate, &io) }
    if isLive && gate.isDraining && isDelivered {
      end = .stopped
      close(&gate, &io)
    }
    // What the server does for it at once would change what is asked for again.
    awaitsServer = isLive && wantsBus
    if isLive && !awaitsServer { askKernel(&gate, &io) }
  }

  /// Whether all that was read has left and more is awaited from both sides, as after most wake-ups: then nothing changes.
  @inline(__always)
  private mutating func canRest(_ gate: borrowing Gate) -> Bool {
    !gate.isDraining && sockets[.client].interest == PollSet.readable && sockets[.bus].interest == PollSet.readable
      && closing == .none && !isUnauthenticated && drainDeadline == nil && pipes[.client].hasNoBacklog
      && pipes[.bus].hasNoBacklog && session.isIdle
  }

  /// Offers bytes again that the session would not take before, if what it waited for has come.
  private mutating func resume(_ side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Bool {
    if pipes[side].hasUnsent { return false }
    if !pipes[side].isToOffer {
      switch pipes[side].wait {
      case .bytes, .bus, .identity, .serial, .owners: return false
      case .localOutput(let receiver):
        if !session.hasRoomForAnswers(to: receiver) { return false }
      case .room: break
      }
      pipes[side].wait = .bytes
    }
    pipes[side].isToOffer = false
    if !pipes[side].buffer.hasUnconsumed { return false }
    pump(from: side, &gate, &io)
    return true
  }

  // MARK: What is waited for

  private mutating func askKernel(_ gate: inout Gate, _ io: inout IOContext) {
    let busy = (client: pipes[.bus].hasUnsent, bus: pipes[.client].hasUnsent)
    session.countPartialWaits(receiverIsBusy: busy, at: io.now)
    watch(.client, &gate, &io)
    watch(.bus, &gate, &io)
    if !isLive { return }
    noteDeadline(&io)
    isIdle = canRest(gate)
  }

  /// Asks the kernel about what the connection waits for at one of its sockets, if that has changed.
  @inline(__always)
  private mutating func watch(_ side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    if sockets[side].fd < 0 { return }
    let wanted = interest(side, gate)
    if sockets[side].interest != wanted { change(side, to: wanted, &gate, &io) }
  }

  private mutating func interest(_ side: Side, _ gate: borrowing Gate) -> UInt32 {
    if side == .bus, case .connecting = busLink { return PollSet.writable }
    var events: UInt32 = 0
    let isRead = !gate.isDraining || isHalfway(from: side)
    if isRead && (pipes[side].wantsBytes || discards(from: side)) { events |= PollSet.readable }
    if pipes[side.other].hasUnsent {
      if !pipes[side.other].waitsForDescriptors { events |= PollSet.writable }
    } else if session.localOutputCount(to: side) > 0 && session.isAtMessageBoundary(to: side) {
      events |= PollSet.writable
    }
    return events
  }

  private mutating func change(_ side: Side, to events: UInt32, _ gate: inout Gate, _ io: inout IOContext) {
    let (fd, token) = (sockets[side].fd, EventToken.connection(id, side))
    if sockets[side].isHungUp && events & PollSet.readable == 0 { return }  // epoll would report it for ever
    let result = sockets[side].interest == nil ? io.poll.add(fd, events, token) : io.poll.modify(fd, events, token)
    if result < 0 {
      io.log.failure(&client, "\(SystemError("cannot watch a connection", result))")
      close(&gate, &io)
      return
    }
    sockets[side].interest = events
  }

  // MARK: Time

  /// How often a receiver that has not taken its descriptors is looked at, in milliseconds: the kernel has no event for it.
  private static let descriptorPoll: UInt64 = 5

  private var waitsForDescriptors: Bool { pipes[.client].waitsForDescriptors || pipes[.bus].waitsForDescriptors }

  /// Has the loop look at the connection when it is due.
  mutating func noteDeadline(_ io: inout IOContext) {
    io.deadline.note(session.deadline)
    io.deadline.note(drainDeadline)
    if case .connecting(let limit) = busLink { io.deadline.note(limit) }
    if waitsForDescriptors { io.deadline.note(io.now.advanced(byMilliseconds: Self.descriptorPoll)) }
  }

  /// Ends what has taken too long, and looks whether descriptors were taken. Says whether anything is to be finished.
  mutating func expire(_ gate: inout Gate, _ io: inout IOContext) -> Bool {
    if !isLive { return false }
    if let reason = session.expire(at: io.now) {
      end(reason, &gate, &io)
    } else if let drain = drainDeadline, io.now >= drain {
      end(.drainTimeout, &gate, &io)
    } else if case .connecting(let limit) = busLink, io.now >= limit {
      end(.helloTimeout, &gate, &io)
    } else if waitsForDescriptors {
      for side in [Side.client, .bus] where pipes[side.other].waitsForDescriptors { sendUnsent(to: side, &gate, &io) }
    } else {
      noteDeadline(&io)
      return false
    }
    return true
  }
}
