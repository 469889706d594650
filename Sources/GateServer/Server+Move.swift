// Large messages. Their bytes are moved from socket to socket by splice(2), through a pipe in the kernel; what has to be seen of them, the
// header of each, is looked at where it is (MSG_PEEK) before it is moved. Descriptors are lost by splice(2) without a word: bytes that
// come with some are read. Nothing here decides: what Session.passRoutinely(_:from:policy:) does not pass is read, too.

import CLinux
import GateSession
import Glibc

extension Server {
  /// A message of which so much is left is worth moving. Measured: with 64 KiB it pays, with 16 KiB it does not.
  private static let restByteCountMin = 32_768
  /// So many bytes before a message are looked at together with its header: a sender may have put both into one sendmsg(2), and then the
  /// message's descriptors come with the earlier ones.
  private static let tailByteCount = 4096
  /// So much of a message is looked at. Longer headers are read.
  private static let headByteCount = 512

  /// Whether what comes next from `side` is the middle of a large message that passes, or probably another large one.
  @inline(__always)
  mutating func expectsLarge(_ slot: UnsafeMutablePointer<Connection>, from side: Side) -> Bool {
    unsafe slot.pointee.session.lastMessageByteCount(from: side) >= Self.restByteCountMin
  }

  /// Goes on with large messages from `side`, at most a buffer's worth in one wake-up.
  ///
  /// - Returns: Whether that is all that can be done now. If not, what comes next has to be read.
  @inline(never)
  mutating func move(_ slot: UnsafeMutablePointer<Connection>, from side: Side) -> Bool {
    let pipe = unsafe slot.pointee.pipe(from: side)
    if unsafe !movesBodies || !slot.pointee.isAtRest || pipe.pointee.buffer != nil || !pipe.pointee.descriptors.isEmpty {
      return false
    }
    guard var moved = kernelPipes.take() else { return false }
    let source = unsafe slot.pointee.socket(side).fd
    var isDone = true
    var owed = 0
    while moved.byteCount < KernelPipe.byteCountMax {
      let rest = unsafe slot.pointee.session.restByteCount(from: side)
      var count = rest - Self.tailByteCount
      if count <= 0 {
        // Decided on from here on: what passes has to be moved, whatever happens.
        owed = unsafe passPeeked(slot, from: side, rest + Self.headByteCount)
        if owed <= 0 {
          isDone = -owed == EAGAIN || -owed == EINTR
          break
        }
        count = unsafe owed + max(0, slot.pointee.session.restByteCount(from: side) - Self.tailByteCount)
      }
      let n = moved.fill(from: source, min(count, KernelPipe.byteCountMax - moved.byteCount))
      if n > owed { unsafe slot.pointee.session.passedRest(n - owed, from: side) }
      owed = max(0, owed - max(0, n))
      if owed > 0 || n < count {
        // A socket that cannot be spliced from, or its end, is found out by reading it.
        if moved.byteCount == 0 && owed == 0 { isDone = -n == EAGAIN || -n == EINTR }
        break
      }
    }
    if owed > 0 { unsafe read(owed, slot, from: side, pipe) }
    unsafe send(moved, slot, to: side.other, pipe)
    return isDone
  }

  /// Offers bytes that stay where they are to the session.
  ///
  /// - Returns: How many of them pass; 0 if what comes next has to be read; -EAGAIN if nothing came.
  private mutating func passPeeked(_ slot: UnsafeMutablePointer<Connection>, from side: Side, _ count: Int) -> Int {
    var hasDescriptors: Int32 = 0
    guard let buffer = unsafe try? pool.take() else { return 0 }
    defer { unsafe pool.give(buffer) }
    let n = unsafe clinux_peek(slot.pointee.socket(side).fd, buffer, count, &hasDescriptors)
    if n <= 0 || hasDescriptors != 0 { return min(n, 0) }
    let bytes = unsafe RawSpan(_unsafeStart: buffer, byteCount: n)
    return unsafe slot.pointee.session.passRoutinely(bytes, from: side, policy: gates[slot.pointee.gate].policy.identity)
  }

  /// Reads `count` bytes that pass and that a full kernel pipe did not take: they wait behind those that it did.
  private mutating func read(
    _ count: Int, _ slot: UnsafeMutablePointer<Connection>, from side: Side, _ pipe: UnsafeMutablePointer<Pipe>
  ) {
    guard let buffer = unsafe try? pool.take() else {
      unsafe closeNow(slot)
      return
    }
    let n = unsafe clinux_read(slot.pointee.socket(side).fd, buffer, count)
    precondition(n == count, "bytes that were seen are gone")
    unsafe pipe.pointee.buffer = unsafe buffer
    unsafe pipe.pointee.start = count
    unsafe pipe.pointee.end = count
    unsafe pipe.pointee.unsent.append(Output.Action(kind: .forward, descriptors: 0, offset: 0, count: UInt32(count)))
  }

  /// Sends what was moved, and then what waits behind it, as far as the receiver takes it.
  private mutating func send(
    _ moved: KernelPipe, _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>
  ) {
    if unsafe !isLive(slot) {
      moved.close()
      return
    }
    unsafe pipe.pointee.moved = moved
    unsafe sendUnsent(slot, to: side)
    if unsafe pipe.pointee.hasUnsent || pipe.pointee.isDeaf { unsafe slot.pointee.isAtRest = false }
  }

  /// Sends on what waits in a direction's kernel pipe.
  ///
  /// - Returns: Whether there is nothing left in it.
  @inline(never)
  mutating func drainMoved(
    _ slot: UnsafeMutablePointer<Connection>, to side: Side, _ pipe: UnsafeMutablePointer<Pipe>
  ) -> Bool {
    guard var moved = unsafe pipe.pointee.moved else { return true }
    let fd = unsafe slot.pointee.socket(side).fd
    while moved.byteCount > 0 {
      let count = moved.drain(to: fd)
      if count > 0 || -count == EINTR { continue }
      unsafe pipe.pointee.moved = moved
      if count == 0 || -count == EAGAIN { return false }
      unsafe becomeDeaf(slot, side)
      return true
    }
    unsafe pipe.pointee.moved = nil
    kernelPipes.give(moved)
    return true
  }
}
