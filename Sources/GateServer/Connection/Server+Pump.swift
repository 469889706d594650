// The way of a byte through the server: read into a buffer, offered to the session, sent from the same buffer.

import CLinux
import GatePolicy
import GateSession
import Glibc

extension Server {
  /// Deals with what epoll said about one socket of a connection.
  mutating func handle(_ slot: UnsafeMutablePointer<Connection>, _ side: Side, _ events: UInt32) {
    if events == EPOLLIN.rawValue, unsafe slot.pointee.isIdle && draining == .no {
      unsafe spliceOrRead(slot, from: side)
      if unsafe slot.pointee.isIdle { return }
      onlyForwarded = false
      unsafe updatePollInterest(of: slot)
      return
    }
    onlyForwarded = false
    unsafe slot.pointee.isIdle = false
    if events & EPOLLOUT.rawValue != 0 { unsafe sendUnsent(slot, to: side) }
    if unsafe isLive(slot) && events & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
      if unsafe discards(slot, from: side) {
        unsafe discard(slot, from: side)
      } else if unsafe slot.pointee.pipe(from: side).pointee.wantsBytes {
        // The other direction may be stuck, which does not matter to this one.
        if unsafe events & EPOLLIN.rawValue != 0 && maySplice(slot, from: side) {
          unsafe spliceOrRead(slot, from: side)
        } else {
          unsafe read(slot, from: side)
        }
      } else if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
        unsafe hangUp(slot, side)
      }
    }
    unsafe updatePollInterest(of: slot)
  }

  /// Whether a connection was not ended meanwhile.
  @inline(__always)
  func isLive(_ slot: UnsafeMutablePointer<Connection>) -> Bool { unsafe slot.pointee.client.fd >= 0 }

  // MARK: Reading

  @inline(__always)
  private mutating func spliceOrRead(_ slot: UnsafeMutablePointer<Connection>, from side: Side) {
    if unsafe !(expectsLarge(slot, from: side) && splice(slot, from: side)) { unsafe read(slot, from: side) }
  }

  /// One read of what fits, and what follows from it.
  private mutating func read(_ slot: UnsafeMutablePointer<Connection>, from side: Side) {
    let pipe = unsafe slot.pointee.pipe(from: side)
    let result: Int
    do throws(SystemError) {
      result = try unsafe receive(slot.pointee.socket(side).fd, pipe)
    } catch {
      unsafe log.failure(slot, "\(error)")
      unsafe end(slot, .descriptorMismatch(side))
      return
    }
    if result == -Int(EAGAIN) || result == -Int(EINTR) { return }
    if side == .client { hearObserver(forGate: unsafe slot.pointee.gate) }
    if unsafe slot.pointee.isIdle && forwardFromCache(slot, from: side, pipe) { return }
    unsafe slot.pointee.isIdle = false
    if result <= 0 {
      unsafe end(slot, .endOfStream(side))
      return
    }
    if unsafe slot.pointee.isUnauthenticated && side == .client { unsafe noteProgress(slot) }
    unsafe pump(slot, from: side)
    // More descriptors than a message may have, and no message to take them.
    if unsafe pipe.pointee.descriptors.count > gates[slot.pointee.gate].options.descriptorsHeldMax && !pipe.pointee.hasUnsent {
      unsafe end(slot, .descriptorMismatch(side))
    }
  }

  /// recvmsg into the pipe's buffer, which is lent by the pool if the pipe has none.
  ///
  /// - Returns: Number of bytes, 0 at the end, or -errno.
  @inline(__always)
  private mutating func receive(_ fd: Int32, _ pipe: UnsafeMutablePointer<Pipe>) throws(SystemError) -> Int {
    if unsafe pipe.pointee.buffer == nil { unsafe pipe.pointee.buffer = try pool.take() }
    unsafe pipe.pointee.compact()
    guard let buffer = unsafe pipe.pointee.buffer else { preconditionFailure("a pipe without its buffer") }
    let end = unsafe pipe.pointee.end
    precondition(end < BufferPool.bufferByteCount, "read into a full buffer")
    var count: UInt32 = 0
    var truncated: Int32 = 0
    let n = unsafe clinux_receive(fd, buffer + end, BufferPool.bufferByteCount - end, received, &count, &truncated)
    if n > 0 { unsafe pipe.pointee.end = end + n } else { unsafe releaseBuffer(of: pipe) }
    for i in 0..<Int(count) { unsafe pipe.pointee.descriptors.append(received[i]) }
    if truncated != 0 { throw SystemError("file descriptors that came with a message were lost", EMFILE) }
    return n
  }

  /// The way of most bytes: they are messages like the last ones, the receiver takes them at once, and the connection is as idle
  /// as before.
  ///
  /// - Returns: Whether that was all. If not, what could not be sent waits in the pipe, and the rest is to be offered to the session.
  @inline(__always)
  private mutating func forwardFromCache(
    _ slot: UnsafeMutablePointer<Connection>, from side: Side, _ pipe: UnsafeMutablePointer<Pipe>
  ) -> Bool {
    guard unsafe pipe.pointee.start == 0, let buffer = unsafe pipe.pointee.buffer else { return false }
    if unsafe !pipe.pointee.descriptors.isEmpty { return unsafe forwardDescriptorsFromCache(slot, from: side, pipe, buffer) }
    let end = unsafe pipe.pointee.end
    let bytes = unsafe RawSpan(_unsafeStart: buffer, byteCount: end)
    let count = unsafe slot.pointee.session.forwardFromCache(
      bytes, from: side, policy: gates[slot.pointee.gate].policy.identity)
    if count == 0 { return false }
    precondition(count <= end, "sent what was not received")
    let sent = unsafe clinux_send_now(slot.pointee.socket(side.other).fd, buffer, count)
    return unsafe finishForward(slot, from: side, pipe, passed: count, sent: sent, descriptors: 0)
  }

  /// The same for a message with descriptors.
  @inline(never)
  private mutating func forwardDescriptorsFromCache(
    _ slot: UnsafeMutablePointer<Connection>, from side: Side, _ pipe: UnsafeMutablePointer<Pipe>,
    _ buffer: UnsafeMutableRawPointer
  ) -> Bool {
    let fd = unsafe slot.pointee.socket(side.other).fd
    let descriptors = unsafe pipe.pointee.descriptors.count
    let gate = unsafe slot.pointee.gate
    if unsafe !hasDescriptorBudget(descriptors, fd, pipe, gates[gate].options.descriptorsInFlightMax) { return false }
    let end = unsafe pipe.pointee.end
    let bytes = unsafe RawSpan(_unsafeStart: buffer, byteCount: end)
    let count = unsafe slot.pointee.session.forwardFromCache(
      bytes, from: side, descriptors: descriptors, policy: gates[gate].policy.identity)
    if count == 0 { return false }
    precondition(count <= end, "sent what was not received")
    unsafe batch.parts[0] = unsafe iovec(iov_base: buffer, iov_len: count)
    let sent = unsafe pipe.pointee.descriptors.span.withUnsafeBufferPointer {
      unsafe clinux_send(fd, batch.parts, 1, $0.baseAddress, UInt32(descriptors))
    }
    if sent > 0 {
      unsafe pipe.pointee.closeDescriptors(descriptors)
      unsafe pipe.pointee.descriptorsInFlight += descriptors
    }
    return unsafe finishForward(slot, from: side, pipe, passed: count, sent: sent, descriptors: descriptors)
  }

  /// The first `passed` bytes of the buffer pass, with `descriptors`, and `sent` of them have left; or -errno.
  ///
  /// - Returns: Whether that is all there was. What has not left waits.
  @inline(__always)
  private mutating func finishForward(
    _ slot: UnsafeMutablePointer<Connection>, from side: Side, _ pipe: UnsafeMutablePointer<Pipe>, passed: Int, sent: Int,
    descriptors: Int
  ) -> Bool {
    if unsafe sent == pipe.pointee.end {
      unsafe pipe.pointee.end = 0
      unsafe releaseBuffer(of: pipe)
      return true
    }
    unsafe pipe.pointee.start = passed
    let done = max(0, sent)
    if done < passed {
      unsafe pipe.pointee.unsent.append(
        Output.Action(
          kind: .forward, descriptors: UInt16(done > 0 ? 0 : descriptors), offset: UInt32(done), count: UInt32(passed - done)))
      unsafe sendUnsent(slot, to: side.other)
    }
    return false
  }

  /// Offers the pipe's bytes to the session and carries out what it says, until it wants more bytes or nothing can be sent.
  mutating func pump(_ slot: UnsafeMutablePointer<Connection>, from side: Side) {
    let pipe = unsafe slot.pointee.pipe(from: side)
    while unsafe !pipe.pointee.hasUnsent {
      guard let buffer = unsafe pipe.pointee.buffer else { return }
      let start = unsafe pipe.pointee.start
      let bytes = unsafe RawSpan(_unsafeStart: buffer + start, byteCount: pipe.pointee.end - start)
      output.removeAll()
      let consumed = unsafe slot.pointee.session.receive(
        bytes, from: side, descriptors: pipe.pointee.descriptors.count, policy: gates[slot.pointee.gate].policy, at: now,
        into: &output)
      if output.decisionCount > 0 { unsafe account(slot, bytes, side) }
      // What follows may pump another connection, with the same output.
      let (wait, close, requests, claimedUID) = (output.wait, output.close, output.requests, output.claimedUID)
      unsafe pipe.pointee.wait = wait
      if output.actionCount > 0 { unsafe carryOut(slot, to: side.other, pipe, from: start) }
      unsafe pipe.pointee.start = start + consumed
      unsafe releaseBuffer(of: pipe)
      if let close {
        unsafe end(slot, close)
        return
      }
      if !requests.isEmpty { unsafe fulfil(slot, requests) }
      switch wait {
      case .identity: unsafe identify(slot, claimedUID)
      case .room: break
      case .localOutput(let blocked):
        hit(.ownOutputBytesMax, gate: unsafe slot.pointee.gate)
        unsafe log.limit(.ownOutputBytesMax, slot, "the \(side) is not read until the \(blocked) has taken the gate's errors")
        return
      case .bytes, .bus, .serial, .owners: return
      }
    }
  }

  private mutating func account(_ slot: UnsafeMutablePointer<Connection>, _ bytes: RawSpan, _ side: Side) {
    let policy = gates[unsafe slot.pointee.gate].policy
    for i in 0..<output.decisionCount {
      unsafe log.decision(output.decision(i), bytes, side, policy, slot)
    }
  }

  /// Gives the buffer back when there is nothing in it.
  @inline(__always)
  mutating func releaseBuffer(of pipe: UnsafeMutablePointer<Pipe>) {
    if unsafe pipe.pointee.start != pipe.pointee.end || pipe.pointee.hasUnsent { return }
    if let buffer = unsafe pipe.pointee.buffer { unsafe pool.give(buffer) }
    unsafe pipe.pointee.buffer = nil
    unsafe pipe.pointee.start = 0
    unsafe pipe.pointee.end = 0
  }
}
