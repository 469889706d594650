// Large messages. Their bytes go from socket to socket by splice(2), through a pipe in the kernel. The header of each is read, and goes on as
// the copy that was looked at. splice(2) loses descriptors without a word, so only bytes are spliced of which it is known that none come
// with them. Nothing here decides: what Session.forwardFromCache(_:from:policy:) does not pass is left in the buffer, as everything else
// that is read.

import CLinux
import GateSession
import Glibc

extension Server {
  /// Messages of so many bytes are worth splicing, and so many bytes of them at a time. Measured: with 64 KiB it pays, with 16 KiB not.
  private static let spliceByteCountMin = 32_768
  /// So many bytes of a message are looked at here. A message with a longer header is read.
  private static let headByteCount = 512
  /// The send buffer for a receiver of large messages, twice the usual one: pieces are larger and fewer, and senders seldom have
  /// to wait. Measured: benchmarks/tried.md.
  private static let sendBufferByteCount: Int32 = 212_992

  /// Whether what comes next from `side` is the middle of a large message, or probably another one.
  @inline(__always)
  mutating func expectsLarge(_ slot: UnsafeMutablePointer<Connection>, from side: Side) -> Bool {
    unsafe slot.pointee.session.lastMessageByteCount(from: side) >= Self.spliceByteCountMin
  }

  /// Whether bytes from `side` may be spliced: nothing else is to be done in that direction, and nothing closes.
  func maySplice(_ slot: UnsafeMutablePointer<Connection>, from side: Side) -> Bool {
    unsafe draining == .no && slot.pointee.closing == .none && !slot.pointee.isUnauthenticated
      && slot.pointee.pipe(from: side).pointee.hasNoBacklog && slot.pointee.session.isIdle
  }

  /// Goes on with large messages from `side`, at most a buffer's worth in one wake-up. The connection is idle, or
  /// ``maySplice(_:from:)``.
  ///
  /// - Returns: Whether something was spliced. If not, what comes next has to be read.
  @inline(never)
  mutating func splice(_ slot: UnsafeMutablePointer<Connection>, from side: Side) -> Bool {
    let pipe = unsafe slot.pointee.pipe(from: side)
    if unsafe !splicePool.isUsable || pipe.pointee.buffer != nil || !pipe.pointee.descriptors.isEmpty { return false }
    let source = unsafe slot.pointee.socket(side).fd
    var waiting = min(splicePool.plainByteCount(in: source, at: now), SplicePipe.byteCountMax)
    if waiting < Self.spliceByteCountMin { return false }
    noteSplicePoolExpiry()
    guard var spliced = splicePool.takePipe() else { return false }
    if unsafe !pipe.pointee.isWide {
      unsafe pipe.pointee.isWide = true
      clinux_set_send_buffer(unsafe slot.pointee.socket(side.other).fd, Self.sendBufferByteCount)
    }
    while waiting > 0 {
      let rest = unsafe slot.pointee.session.restByteCount(from: side)
      if rest == 0 {
        let count = unsafe passHead(slot, from: side, min(waiting, Self.headByteCount), pipe, &spliced)
        if unsafe count == 0 || pipe.pointee.buffer != nil { break }
        waiting -= count
        continue
      }
      let count = min(waiting, rest)
      let n = spliced.fill(from: source, count)
      if n > 0 { unsafe slot.pointee.session.passedRest(n, from: side) }
      waiting -= max(0, n)
      if n < count { break }  // the pipe has no room for more pieces
    }
    let isRead = unsafe pipe.pointee.buffer != nil
    let isSpliced = isRead || spliced.byteCount > 0
    unsafe send(spliced, slot, to: side.other, pipe)
    if isRead { unsafe slot.pointee.isIdle = false }
    return isSpliced
  }

  /// Reads the beginning of a message and offers it to the session. What passes of it goes on as a copy, the one that was decided on:
  /// the pages in the socket may be the sender's own (vmsplice(2)), who can write to them until the last reader has copied them.
  ///
  /// - Returns: How many bytes were read. They are in the kernel's pipe; or wait, decided on or not, behind it in the buffer.
  private mutating func passHead(
    _ slot: UnsafeMutablePointer<Connection>, from side: Side, _ count: Int, _ pipe: UnsafeMutablePointer<Pipe>,
    _ spliced: inout SplicePipe
  ) -> Int {
    guard let buffer = unsafe try? pool.take() else { return 0 }  // the read that follows says what is missing
    precondition(count <= BufferPool.bufferByteCount, "a header is shorter than a buffer")
    let n = unsafe clinux_read(slot.pointee.socket(side).fd, buffer, count)
    if n <= 0 {
      unsafe pool.give(buffer)
      return 0
    }
    let bytes = unsafe RawSpan(_unsafeStart: buffer, byteCount: n)
    let passed = unsafe slot.pointee.session.forwardFromCache(bytes, from: side, policy: gates[slot.pointee.gate].policy.identity)
    precondition(passed <= n, "passed on what was not read")
    if passed == n && spliced.add(bytes) {
      unsafe pool.give(buffer)
      return n
    }
    unsafe pipe.pointee.buffer = unsafe buffer
    unsafe pipe.pointee.start = passed
    unsafe pipe.pointee.end = n
    if passed > 0 {
      unsafe pipe.pointee.unsent.append(Output.Action(kind: .forward, descriptors: 0, offset: 0, count: UInt32(passed)))
    }
    return n
  }

  /// Sends what was spliced, and then what waits behind it, as far as the receiver takes it.
  private mutating func send(
    _ spliced: SplicePipe, _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>
  ) {
    unsafe pipe.pointee.spliced = spliced
    unsafe sendUnsent(slot, to: side)
    if unsafe pipe.pointee.hasUnsent || pipe.pointee.isWriteClosed { unsafe slot.pointee.isIdle = false }
  }

  /// Sends on what waits in a direction's kernel pipe.
  ///
  /// - Returns: Whether there is nothing left in it.
  @inline(never)
  mutating func drainSpliced(
    _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>
  ) -> Bool {
    guard var spliced = unsafe pipe.pointee.spliced else { return true }
    let fd = unsafe slot.pointee.socket(side).fd
    while spliced.byteCount > 0 {
      let count = spliced.drain(to: fd)
      if count > 0 || -count == EINTR { continue }
      unsafe pipe.pointee.spliced = spliced
      if count == 0 || -count == EAGAIN { return false }
      unsafe closeWrite(slot, side)
      return true
    }
    unsafe pipe.pointee.spliced = nil
    splicePool.give(spliced)
    return true
  }

  /// Sees to it that the loop looks after the pool when it is not used any more.
  private mutating func noteSplicePoolExpiry() {
    if let expiry = splicePool.expiry, nextLook.map({ expiry < $0 }) ?? true { nextLook = expiry }
  }
}
