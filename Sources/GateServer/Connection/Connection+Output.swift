// Sending: runs of allowed bytes leave from the buffer they were read into, in as few sendmsg as their descriptors allow; local
// output stands between them where the session put it.

import CLinux
import GatePolicy
import GateSession
import Glibc

extension Connection {
  /// Carries out what the session said about the bytes that begin at `base` of the buffer of what comes from the other side.
  @inline(__always)
  mutating func carryOut(to side: Side, from base: Int, _ gate: inout Gate, _ io: inout IOContext) {
    let count = io.output.actionCount
    for i in 0..<count {
      var action = io.output.action(i)
      action.offset &+= UInt32(truncatingIfNeeded: base)
      io.batch.actions[i] = action
    }
    let done = send(count, to: side, &gate, &io)
    for i in done..<count { pipes[side.other].unsent.append(io.batch.actions[i]) }
  }

  /// The socket takes bytes again. Once nothing waits to be sent, what is left in the buffer is to be offered again.
  mutating func sendUnsent(to side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    let from = side.other
    if !drainSpliced(to: side, &gate, &io) { return }
    while pipes[from].hasUnsent {
      let count = min(pipes[from].unsent.count, Output.actionsMax)
      for i in 0..<count { io.batch.actions[i] = pipes[from].unsent[i] }
      let done = send(count, to: side, &gate, &io)
      pipes[from].unsent.removeFirst(done)
      if done < count {
        pipes[from].unsent[0] = io.batch.actions[done]
        return
      }
    }
    pipes[from].unsent = []
    pipes[from].releaseBuffer(to: &io.pool)
    pipes[from].isToOffer = true
  }

  /// Sends the first `count` actions of the batch in order.
  ///
  /// - Returns: How many are done with; the next one, if any, is what is left of it.
  private mutating func send(_ count: Int, to side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Int {
    let from = side.other
    let fd = sockets[side].fd
    var done = 0
    while done < count {
      let first = io.batch.actions[done]
      let descriptors = Int(first.descriptors)
      if first.kind == .skip || pipes[from].isWriteClosed {
        pipes[from].closeDescriptors(descriptors)
        if first.kind == .local { session.localOutputSent(Int(first.count), to: side) }
        done += 1
        continue
      }
      if descriptors > 0 && !pipes[from].hasDescriptorBudget(descriptors, of: gate.options.descriptorsInFlightMax, fd) {
        noteDescriptorWait(to: side, &gate, &io)
        return done
      }
      gather(from: done, count, to: side, &io)
      let sent = pipes[from].send(&io.batch, to: fd, descriptors: descriptors)
      if sent < 0 {
        if -sent == EINTR { continue }
        if -sent == EAGAIN {
          pipes[from].waitsForDescriptors = false  // for room: the kernel will say when there is some
          return done
        }
        if -sent == ETOOMANYREFS { withdraw(done, to: side, &gate, &io) } else { closeWrite(side, &gate, &io) }
        continue
      }
      if descriptors > 0 {
        pipes[from].noteSent(descriptors: descriptors)
        io.batch.actions[done].descriptors = 0
      }
      done = advance(from: done, by: sent, to: side, &io)
    }
    pipes[from].waitsForDescriptors = false
    return done
  }

  /// Lays out what can go in one sendmsg: up to the next action that has descriptors of its own, or sends nothing.
  @inline(__always)
  private mutating func gather(from first: Int, _ count: Int, to side: Side, _ io: inout IOContext) {
    io.batch.removeParts()
    var localOffset = 0
    for i in first..<count {
      let action = io.batch.actions[i]
      switch action.kind {
      case .skip: return
      case .forward:
        if i > first && action.descriptors > 0 { return }
        io.batch.add(pipes[side.other].buffer, Int(action.offset), Int(action.count))
      case .local:
        io.batch.add(localOutputOf: session, to: side, localOffset, Int(action.count))
        localOffset += Int(action.count)
      }
    }
  }

  /// Takes `sent` bytes off the actions from `first` on; returns the first that is not done with.
  @inline(__always)
  private mutating func advance(from first: Int, by sent: Int, to side: Side, _ io: inout IOContext) -> Int {
    var left = sent
    var i = first
    while left > 0 {
      let action = io.batch.actions[i]
      let count = min(left, Int(action.count))
      if action.kind == .local { session.localOutputSent(count, to: side) }
      left -= count
      if count == Int(action.count) {
        i += 1
      } else {
        io.batch.actions[i].offset += UInt32(count)
        io.batch.actions[i].count -= UInt32(count)
      }
    }
    return i
  }

  @inline(never)
  private mutating func noteDescriptorWait(to side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    if !pipes[side.other].waitsForDescriptors {
      gate.metrics.hit(.fdsInFlightMax)
      io.log.limit(.fdsInFlightMax, &client, "a message waits until the \(side) has taken the descriptors before it")
    }
    pipes[side.other].waitsForDescriptors = true
  }

  /// The kernel refuses more descriptors in flight for our user (CVE-2014-3532): that message is dropped, never the connection.
  @inline(never)
  private mutating func withdraw(_ index: Int, to side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    let action = io.batch.actions[index]
    let count = Self.withdraw(
      action, from: side.other, &pipes[side.other].buffer, &session, &client, gate.policy, io.log)
    pipes[side.other].closeDescriptors(Int(action.descriptors))
    io.batch.actions[index].descriptors = 0
    io.batch.actions[index].offset += UInt32(count)
    io.batch.actions[index].count -= UInt32(count)
    if io.batch.actions[index].count == 0 { io.batch.actions[index].kind = .skip }
  }

  private static func withdraw(
    _ action: Output.Action, from side: Side, _ buffer: inout ReadBuffer, _ session: inout Session,
    _ client: inout ClientIdentity, _ policy: Policy, _ log: Log
  ) -> Int {
    let bytes = buffer.bytes(Int(action.offset), Int(action.count))
    let (count, decision) = session.withdraw(bytes, from: side, policy: policy)
    log.decision(decision, bytes, side, policy, &client, session)
    return count
  }

  // MARK: Local output

  /// Sends local output to `side` if it may stand where that stream is now.
  ///
  /// - Returns: Whether any left.
  mutating func flushLocalOutput(to side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Bool {
    let count = session.localOutputCount(to: side)
    if count == 0 || pipes[side.other].hasUnsent { return false }
    if pipes[side.other].isWriteClosed {
      session.localOutputSent(count, to: side)
      return true
    }
    let fd = sockets[side].fd
    let isThere = side == .client || busLink == .open
    if fd < 0 || !isThere || !session.isAtMessageBoundary(to: side) { return false }
    io.batch.removeParts()
    io.batch.add(localOutputOf: session, to: side, 0, count)
    let sent = io.batch.send(to: fd, with: Span())
    if sent > 0 {
      session.localOutputSent(sent, to: side)
      return true
    }
    if -sent == EAGAIN || -sent == EINTR { return false }
    closeWrite(side, &gate, &io)
    return true
  }

  /// `side` takes nothing any more. What it had sent is still delivered; the connection closes when that is read to its end.
  mutating func closeWrite(_ side: Side, _ gate: inout Gate, _ io: inout IOContext) {
    pipes[side.other].isWriteClosed = true
    pipes[side.other].dropSpliced()
    startDrainTimer(gate, io.now)
  }

  mutating func startDrainTimer(_ gate: borrowing Gate, _ now: Instant) {
    if drainDeadline != nil { return }
    drainDeadline = now.advanced(byMilliseconds: gate.options.settings.limits.drainTimeout)
  }

  /// Sends on what waits in a direction's kernel pipe.
  ///
  /// - Returns: Whether there is nothing left in it.
  @inline(__always)
  private mutating func drainSpliced(to side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Bool {
    pipes[side.other].spliced == nil || drainKernelPipe(to: side, &gate, &io)
  }

  @inline(never)
  private mutating func drainKernelPipe(to side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Bool {
    guard var spliced = pipes[side.other].spliced else { return true }
    let fd = sockets[side].fd
    while spliced.byteCount > 0 {
      let count = spliced.drain(to: fd)
      if count > 0 || -count == EINTR { continue }
      pipes[side.other].spliced = spliced
      if count == 0 || -count == EAGAIN { return false }
      closeWrite(side, &gate, &io)
      return true
    }
    pipes[side.other].spliced = nil
    io.splicePool.give(spliced)
    return true
  }
}
