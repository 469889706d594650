// Large messages. Their bytes go from socket to socket by splice(2), through a pipe in the kernel. The header of each is read, and goes on as
// the copy that was looked at. splice(2) loses descriptors without a word, so only bytes are spliced of which it is known that none come
// with them. Nothing here decides: what Session.forwardFromCache(_:from:policy:) does not pass is left in the buffer, as everything else
// that is read.

import CLinux
import GateSession
import Glibc

extension Connection {
  /// Messages of so many bytes are worth splicing, and so many bytes of them at a time. Measured: with 64 KiB it pays, with 16 KiB not.
  private static let spliceByteCountMin = 32_768
  /// So many bytes of a message are looked at here. A message with a longer header is read.
  private static let headByteCount = 512
  /// The send buffer for a receiver of large messages, twice the usual one: pieces are larger and fewer, and senders seldom have
  /// to wait. Measured: benchmarks/tried.md.
  private static let sendBufferByteCount: Int32 = 212_992

  /// Whether what comes next from `side` is the middle of a large message, or probably another one.
  @inline(__always)
  mutating func expectsLarge(from side: Side) -> Bool {
    session.lastMessageByteCount(from: side) >= Self.spliceByteCountMin
  }

  /// Whether bytes from `side` may be spliced: nothing else is to be done in that direction, and nothing closes.
  mutating func maySplice(from side: Side, _ gate: inout Gate) -> Bool {
    !gate.isDraining && closing == .none && !isUnauthenticated && pipes[side].hasNoBacklog && session.isIdle
  }

  /// Goes on with large messages from `side`, at most a buffer's worth in one wake-up. The connection is idle, or
  /// ``maySplice(from:_:)``.
  ///
  /// - Returns: Whether something was spliced. If not, what comes next has to be read.
  @inline(never)
  mutating func splice(from side: Side, _ gate: inout Gate, _ io: inout IOContext) -> Bool {
    if !io.splicePool.isUsable || pipes[side].buffer.isLent || !pipes[side].descriptors.isEmpty { return false }
    let source = sockets[side].fd
    var waiting = min(io.splicePool.plainByteCount(in: source, at: io.now), SplicePipe.byteCountMax)
    if waiting < Self.spliceByteCountMin { return false }
    guard var spliced = io.splicePool.takePipe() else { return false }
    widen(to: side.other)
    // What a message may do can rest on what the observer has not heard yet. Only what was decided on goes on here then.
    let mayBegin = side == .bus || !gate.followsNames
    while waiting > 0 {
      let rest = session.restByteCount(from: side)
      if rest == 0 {
        if !mayBegin { break }
        let count = passHead(min(waiting, Self.headByteCount), from: side, &spliced, &gate, &io)
        if count == 0 || pipes[side].buffer.isLent { break }
        waiting -= count
        continue
      }
      let count = min(waiting, rest)
      let n = spliced.fill(from: source, count)
      if n > 0 { session.passedRest(n, from: side) }
      waiting -= max(0, n)
      if n < count { break }  // the pipe has no room for more pieces
    }
    let isRead = pipes[side].buffer.isLent
    let isSpliced = isRead || spliced.byteCount > 0
    pipes[side].spliced = spliced
    sendUnsent(to: side.other, &gate, &io)
    if isRead || pipes[side].hasUnsent || pipes[side].isWriteClosed { isIdle = false }
    if !isRead && !pipes[side].hasUnsent { pipes[side].isToOffer = false }
    return isSpliced
  }

  private mutating func widen(to side: Side) {
    if pipes[side.other].isWide { return }
    pipes[side.other].isWide = true
    clinux_set_send_buffer(sockets[side].fd, Self.sendBufferByteCount)
  }

  /// Reads the beginning of a message and offers it to the session. What passes of it goes on as a copy, the one that was decided on:
  /// the pages in the socket may be the sender's own (vmsplice(2)), who can write to them until the last reader has copied them.
  ///
  /// - Returns: How many bytes were read. They are in the kernel's pipe; or wait, decided on or not, behind it in the buffer.
  private mutating func passHead(
    _ count: Int, from side: Side, _ spliced: inout SplicePipe, _ gate: inout Gate, _ io: inout IOContext
  ) -> Int {
    do throws(SystemError) { try pipes[side].buffer.lend(from: &io.pool) } catch { return 0 }  // the read that follows says it
    let n = pipes[side].buffer.read(from: sockets[side].fd, count)
    if n <= 0 {
      pipes[side].buffer.giveBack(to: &io.pool)
      return 0
    }
    let passed = Self.passHead(&pipes[side].buffer, &session, from: side, gate.policy.identity, &spliced)
    pipes[side].buffer.consume(passed.count)
    if passed.isInPipe {
      pipes[side].buffer.giveBack(to: &io.pool)
    } else if passed.count > 0 {
      pipes[side].unsent.append(Output.Action(kind: .forward, descriptors: 0, offset: 0, count: UInt32(passed.count)))
    }
    return n
  }

  /// How many bytes of the buffer pass; and whether that is all of them, and they were copied into the kernel's pipe.
  private static func passHead(
    _ buffer: inout ReadBuffer, _ session: inout Session, from side: Side, _ policy: UInt64, _ spliced: inout SplicePipe
  ) -> (count: Int, isInPipe: Bool) {
    let bytes = buffer.unconsumed
    let count = session.forwardFromCache(bytes, from: side, policy: policy)
    return (count, count == bytes.byteCount && spliced.add(bytes))
  }
}
