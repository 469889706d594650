// Sending: runs of allowed bytes leave from the buffer they were read into, in as few sendmsg as their descriptors allow; local
// output stands between them where the session put it.

import CLinux
import DBusWire
import GateSession
import Glibc

extension Server {
  /// Carries out the output's actions; `base` is the place in the buffer that their offsets count from.
  @inline(__always)
  mutating func carryOut(
    _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>, from base: Int
  ) {
    let count = output.actionCount
    for i in 0..<count {
      var action = output.action(i)
      action.offset &+= UInt32(truncatingIfNeeded: base)
      unsafe batch.actions[i] = action
    }
    let done = unsafe send(slot, to: side, pipe, count)
    for i in done..<count { unsafe pipe.pointee.unsent.append(batch.actions[i]) }
  }

  /// The socket takes bytes again.
  mutating func sendUnsent(_ slot: UnsafeMutablePointer<Connection>, to side: Side) {
    let pipe = unsafe slot.pointee.pipe(from: side.other)
    if unsafe !drainSpliced(slot, to: side, pipe) { return }
    while unsafe pipe.pointee.hasUnsent {
      let count = min(unsafe pipe.pointee.unsent.count, Output.actionsMax)
      for i in 0..<count { unsafe batch.actions[i] = unsafe pipe.pointee.unsent[i] }
      let done = unsafe send(slot, to: side, pipe, count)
      unsafe pipe.pointee.unsent.removeFirst(done)
      if done < count {
        unsafe pipe.pointee.unsent[0] = unsafe batch.actions[done]
        return
      }
    }
    unsafe pipe.pointee.unsent = []
    unsafe releaseBuffer(of: pipe)
    if unsafe isLive(slot) && pipe.pointee.hasUnconsumed { unsafe pump(slot, from: side.other) }
  }

  /// Sends the first `count` actions of the batch in order.
  ///
  /// - Returns: How many are done with; the next one, if any, is what is left of it.
  private mutating func send(
    _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>, _ count: Int
  ) -> Int {
    let fd = unsafe slot.pointee.socket(side).fd
    var done = 0
    while done < count {
      let first = unsafe batch.actions[done]
      let descriptors = Int(first.descriptors)
      if unsafe first.kind == .skip || pipe.pointee.isWriteClosed {
        unsafe pipe.pointee.closeDescriptors(descriptors)
        if first.kind == .local { unsafe slot.pointee.session.localOutputSent(Int(first.count), to: side) }
        done += 1
        continue
      }
      if descriptors > 0,
        unsafe !hasDescriptorBudget(descriptors, fd, pipe, gates[slot.pointee.gate].options.descriptorsInFlightMax)
      {
        if unsafe !pipe.pointee.waitsForDescriptors {
          hit(.fdsInFlightMax, gate: unsafe slot.pointee.gate)
          unsafe log.limit(.fdsInFlightMax, slot, "a message waits until the \(side) has taken the descriptors before it")
        }
        unsafe pipe.pointee.waitsForDescriptors = true
        return done
      }
      let parts = unsafe gather(slot, to: side, pipe, from: done, count)
      let sent = unsafe pipe.pointee.descriptors.span.withUnsafeBufferPointer {
        unsafe clinux_send(fd, batch.parts, UInt32(parts), $0.baseAddress, UInt32(descriptors))
      }
      if sent < 0 {
        if -sent == EINTR { continue }
        if -sent == EAGAIN {
          unsafe pipe.pointee.waitsForDescriptors = false  // for room: the kernel will say when there is some
          return done
        }
        if -sent == ETOOMANYREFS {
          unsafe withdraw(slot, to: side, pipe, done)
        } else {
          unsafe closeWrite(slot, side)
        }
        continue
      }
      if descriptors > 0 {
        unsafe pipe.pointee.closeDescriptors(descriptors)
        unsafe pipe.pointee.descriptorsInFlight += descriptors
        unsafe batch.actions[done].descriptors = 0
      }
      done = unsafe advance(slot, to: side, from: done, by: sent)
    }
    unsafe pipe.pointee.waitsForDescriptors = false
    return done
  }

  /// Lays out what can go in one sendmsg: up to the next action that has descriptors of its own, or sends nothing.
  @inline(__always)
  private func gather(
    _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>, from first: Int, _ count: Int
  ) -> Int {
    var parts = 0
    var ownOffset = 0
    var i = first
    while i < count {
      let action = unsafe batch.actions[i]
      switch action.kind {
      case .skip: return parts
      case .forward:
        if i > first && action.descriptors > 0 { return parts }
        guard let buffer = unsafe pipe.pointee.buffer else { preconditionFailure("sent from a buffer that was given back") }
        precondition(Int(action.offset) + Int(action.count) <= BufferPool.bufferByteCount, "sent from behind the buffer")
        unsafe batch.parts[parts] = unsafe iovec(iov_base: buffer + Int(action.offset), iov_len: Int(action.count))
      case .local:
        unsafe slot.pointee.session.withLocalOutput(to: side) { own in
          let waiting = own.count
          precondition(ownOffset + Int(action.count) <= waiting, "sent more of the own output than there is")
          let start = unsafe UnsafeMutableRawPointer(mutating: own.baseAddress! + ownOffset)
          unsafe batch.parts[parts] = unsafe iovec(iov_base: start, iov_len: Int(action.count))
        }
        ownOffset += Int(action.count)
      }
      parts += 1
      i += 1
    }
    return parts
  }

  /// Takes `sent` bytes off the actions from `first` on; returns the first that is not done with.
  @inline(__always)
  private func advance(_ slot: UnsafeMutablePointer<Connection>, to side: Side, from first: Int, by sent: Int) -> Int {
    var left = sent
    var i = first
    while left > 0 {
      let action = unsafe batch.actions[i]
      let count = min(left, Int(action.count))
      if action.kind == .local { unsafe slot.pointee.session.localOutputSent(count, to: side) }
      left -= count
      if count == Int(action.count) {
        i += 1
      } else {
        unsafe batch.actions[i].offset += UInt32(count)
        unsafe batch.actions[i].count -= UInt32(count)
      }
    }
    return i
  }

  /// Whether `count` more descriptors may be sent before the receiver has taken those that are under way. The kernel counts them
  /// for the user, over all gates: a receiver that takes none must not use up what the others need.
  func hasDescriptorBudget(_ count: Int, _ fd: Int32, _ pipe: UnsafeMutablePointer<Pipe>, _ limit: Int) -> Bool {
    if unsafe pipe.pointee.descriptorsInFlight + count <= limit { return true }
    if clinux_unread_by_peer(fd) != 0 { return false }
    unsafe pipe.pointee.descriptorsInFlight = 0
    return true
  }

  /// The kernel refuses more descriptors in flight for our user (CVE-2014-3532): that message is dropped, never the connection.
  private mutating func withdraw(
    _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>, _ index: Int
  ) {
    guard let buffer = unsafe pipe.pointee.buffer else { preconditionFailure("sent from a buffer that was given back") }
    let action = unsafe batch.actions[index]
    let bytes = unsafe RawSpan(_unsafeStart: buffer + Int(action.offset), byteCount: Int(action.count))
    let policy = gates[unsafe slot.pointee.gate].policy
    let (count, decision) = unsafe slot.pointee.session.withdraw(bytes, from: side.other, policy: policy)
    unsafe log.decision(decision, bytes, side.other, policy, slot)
    unsafe pipe.pointee.closeDescriptors(Int(action.descriptors))
    unsafe batch.actions[index].descriptors = 0
    unsafe batch.actions[index].offset += UInt32(count)
    unsafe batch.actions[index].count -= UInt32(count)
    if unsafe batch.actions[index].count == 0 { unsafe batch.actions[index].kind = .skip }
  }

  // MARK: Local output

  /// Sends local output to `side` if it may stand where that stream is now.
  ///
  /// - Returns: Whether any left.
  mutating func flushLocalOutput(_ slot: UnsafeMutablePointer<Connection>, to side: Side) -> Bool {
    let pipe = unsafe slot.pointee.pipe(from: side.other)
    if unsafe slot.pointee.session.localOutputCount(to: side) == 0 || pipe.pointee.hasUnsent { return false }
    if unsafe pipe.pointee.isWriteClosed {
      unsafe slot.pointee.session.localOutputSent(slot.pointee.session.localOutputCount(to: side), to: side)
      return true
    }
    let fd = unsafe slot.pointee.socket(side).fd
    if unsafe fd < 0 || !slot.pointee.session.isAtMessageBoundary(to: side) { return false }
    let sent = unsafe slot.pointee.session.withLocalOutput(to: side) { own in
      unsafe batch.parts[0] = unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: own.baseAddress!), iov_len: own.count)
      return unsafe clinux_send(fd, batch.parts, 1, nil, 0)
    }
    if sent > 0 {
      unsafe slot.pointee.session.localOutputSent(sent, to: side)
      return true
    }
    if -sent == EAGAIN || -sent == EINTR { return false }
    unsafe closeWrite(slot, side)
    return true
  }

  /// `side` takes nothing any more. What it had sent is still delivered; the connection closes when that is read to its end.
  mutating func closeWrite(_ slot: UnsafeMutablePointer<Connection>, _ side: Side) {
    let pipe = unsafe slot.pointee.pipe(from: side.other)
    unsafe pipe.pointee.isWriteClosed = true
    unsafe pipe.pointee.dropSpliced()
    unsafe startDrainTimer(slot)
  }
}
