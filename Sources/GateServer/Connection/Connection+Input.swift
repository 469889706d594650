// The way of a byte: read into a buffer, offered to the session, sent from the same buffer.

import CLinux
import GatePolicy
import GateSession
import Glibc

extension Connection {
  /// What is left to do after a connection was woken.
  enum Turn {
    /// Nothing: all that was read has left, and more is awaited.
    case over
    /// ``finishTurn(_:_:)``.
    case toFinish
    /// Bytes of the client were read, in a gate whose policy follows names: the observer is to be heard, then ``decide(from:_:_:)``.
    case toDecide
  }

  /// One read of what fits for a connection that is idle. Mostly what was read leaves at once, and it is idle as before.
  @inline(__always)
  mutating func readIdle(from side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    let result = receive(from: side, &io)
    if result <= 0 || io.received.areLost { return readNothing(result, from: side, &gate, &io) }
    if side == .client && gate.followsNames { return .toDecide }
    if forwardFromCache(from: side, &gate, &io) { return .over }
    isIdle = false
    return decide(from: side, &gate, &io)
  }

  /// One read of what fits, and what follows from it.
  mutating func read(from side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    let result = receive(from: side, &io)
    if result <= 0 || io.received.areLost { return readNothing(result, from: side, &gate, &io) }
    if side == .client && gate.followsNames { return .toDecide }
    return decide(from: side, &gate, &io)
  }

  /// There was nothing to read, or what came is no good.
  @inline(never)
  private mutating func readNothing(_ result: Int, from side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    if result == -Int(EAGAIN) || result == -Int(EINTR) { return isIdle ? .over : .toFinish }
    if result > 0 {
      io.log.failure(&client, "\(SystemError("file descriptors that came with a message were lost", EMFILE))")
      end(.descriptorMismatch(side), &gate, &io)
    } else {
      end(.endOfStream(side), &gate, &io)
    }
    return .toFinish
  }

  /// Deals with the bytes that were just read.
  @inline(never)
  mutating func decide(from side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Turn {
    if isIdle && forwardFromCache(from: side, &gate, &io) { return .over }
    isIdle = false
    if isUnauthenticated && side == .client { raise(.progressed, &io) }
    pump(from: side, &gate, &io)
    // More descriptors than a message may have, and no message to take them.
    if pipes[side].descriptors.count > gate.options.descriptorsHeldMax && !pipes[side].hasUnsent {
      end(.descriptorMismatch(side), &gate, &io)
    }
    return .toFinish
  }

  /// recvmsg into the pipe's buffer, which is lent by the pool if the pipe has none.
  ///
  /// - Returns: Number of bytes, 0 at the end, or -errno.
  @inline(__always)
  private mutating func receive(from side: Side, _ io: inout IOContext) -> Int {
    do throws(SystemError) { try pipes[side].buffer.lend(from: &io.pool) } catch { return noBuffer(error, &io) }
    return pipes[side].receive(from: sockets[side].fd, &io.received, &io.pool)
  }

  @inline(never)
  private mutating func noBuffer(_ error: SystemError, _ io: inout IOContext) -> Int {
    io.log.failure(&client, "\(error)")
    return -Int(ENOMEM)
  }

  // MARK: What goes on as it did

  /// The way of most bytes: they are messages like the last ones, the receiver takes them at once, and the connection is as idle
  /// as before.
  ///
  /// - Returns: Whether that was all. If not, what could not be sent waits in the pipe, and the rest is to be offered to the session.
  @inline(__always)
  private mutating func forwardFromCache(from side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Bool {
    if pipes[side].buffer.start != 0 { return false }
    let descriptors = pipes[side].descriptors.count
    if descriptors > 0 { return forwardDescriptorsFromCache(descriptors, from: side, &gate, &io) }
    let count = Self.offerToCache(&pipes[side].buffer, &session, from: side, descriptors: 0, gate.policy.identity)
    if count == 0 { return false }
    let sent = pipes[side].buffer.send(to: sockets[side.other].fd, count)
    return finishForward(from: side, passed: count, sent: sent, descriptors: 0, &gate, &io)
  }

  /// The same for a message with descriptors.
  @inline(never)
  private mutating func forwardDescriptorsFromCache(
    _ descriptors: Int, from side: Side, _ gate: inout Gate, _ io: inout IOContext
  ) -> Bool {
    let fd = sockets[side.other].fd
    if !pipes[side].hasDescriptorBudget(descriptors, of: gate.options.descriptorsInFlightMax, fd) { return false }
    let count = Self.offerToCache(&pipes[side].buffer, &session, from: side, descriptors: descriptors, gate.policy.identity)
    if count == 0 { return false }
    io.batch.removeParts()
    io.batch.add(pipes[side].buffer, 0, count)
    let sent = pipes[side].send(&io.batch, to: fd, descriptors: descriptors)
    if sent > 0 { pipes[side].noteSent(descriptors: descriptors) }
    return finishForward(from: side, passed: count, sent: sent, descriptors: descriptors, &gate, &io)
  }

  /// The first `passed` bytes of the buffer pass, with `descriptors`, and `sent` of them have left; or -errno.
  ///
  /// - Returns: Whether that is all there was. What has not left waits.
  @inline(__always)
  private mutating func finishForward(
    from side: Side, passed: Int, sent: Int, descriptors: Int, _ gate: inout Gate, _ io: inout IOContext
  ) -> Bool {
    pipes[side].buffer.consume(passed)
    if sent == passed && !pipes[side].buffer.hasUnconsumed {
      pipes[side].buffer.giveBack(to: &io.pool)
      return true
    }
    let done = max(0, sent)
    if done < passed {
      pipes[side].unsent.append(
        Output.Action(
          kind: .forward, descriptors: UInt16(done > 0 ? 0 : descriptors), offset: UInt32(done), count: UInt32(passed - done)))
      sendUnsent(to: side.other, &gate, &io)
    }
    return false
  }

  @inline(__always)
  private static func offerToCache(
    _ buffer: inout ReadBuffer, _ session: inout Session, from side: Side, descriptors: Int, _ policy: UInt64
  ) -> Int {
    session.forwardFromCache(buffer.unconsumed, from: side, descriptors: descriptors, policy: policy)
  }

  // MARK: What is to be decided on

  /// Offers the pipe's bytes to the session and carries out what it says, until it wants more bytes or nothing can be sent.
  mutating func pump(from side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    pipes[side].isToOffer = false
    while !pipes[side].hasUnsent && pipes[side].buffer.isLent {
      let start = pipes[side].buffer.start
      io.output.removeAll()
      let consumed = Self.offer(&pipes[side], &session, from: side, gate.policy, &io)
      if io.output.decisionCount > 0 { Self.account(&pipes[side].buffer, session, from: side, gate.policy, &client, &io) }
      let (wait, close, requests, claimedUID) = (io.output.wait, io.output.close, io.output.requests, io.output.claimedUID)
      pipes[side].wait = wait
      if requests.contains(.busKnown) && isOtherBus(gate) {
        refuseBus(gate.options.bus, &gate, &io)
        return
      }
      if io.output.actionCount > 0 { carryOut(to: side.other, from: start, &gate, &io) }
      pipes[side].buffer.consume(consumed)
      pipes[side].releaseBuffer(to: &io.pool)
      if let close {
        end(close, &gate, &io)
        return
      }
      if !requests.isEmpty { take(requests, &io) }
      switch wait {
      case .identity: identify(as: claimedUID, &gate, &io)
      case .room: break
      case .localOutput(let blocked):
        gate.metrics.hit(.ownOutputBytesMax)
        io.log.limit(.ownOutputBytesMax, &client, "the \(side) is not read until the \(blocked) has taken the gate's errors")
        return
      case .bytes, .bus, .serial, .owners: return
      }
    }
  }

  @inline(__always)
  private static func offer(
    _ pipe: inout Pipe, _ session: inout Session, from side: Side, _ policy: Policy, _ io: inout IOContext
  ) -> Int {
    session.receive(
      pipe.buffer.unconsumed, from: side, descriptors: pipe.descriptors.count, policy: policy, at: io.now, into: &io.output)
  }

  private static func account(
    _ buffer: inout ReadBuffer, _ session: borrowing Session, from side: Side, _ policy: Policy,
    _ client: inout ClientIdentity, _ io: inout IOContext
  ) {
    for i in 0..<io.output.decisionCount {
      io.log.decision(io.output.decision(i), buffer.unconsumed, side, policy, &client, session)
    }
  }

  /// Answers the session's question whether the client may call itself `uid`.
  private mutating func identify(as uid: UInt32, _ gate: inout Gate, _ io: inout IOContext) {
    let isKnown = client.peer?.isKnownInside(as: uid, socket: sockets[.client].fd) ?? false
    io.output.removeAll()
    session.identify(accepted: isKnown, into: &io.output)
    takeAnswer(&gate, &io)
  }
}
