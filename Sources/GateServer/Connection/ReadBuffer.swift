// The bytes of one direction that were read and have not left: memory lent by the pool while there are any. All access to that memory is here.

import CLinux
import GateSession
import Glibc

/// A buffer of ``BufferPool``, or none, and which part of it the session has not dealt with.
@safe
struct ReadBuffer: ~Copyable {
  /// 256 KiB: larger reads did not measure better. The longest header that is read fits.
  static let byteCount = 262_144

  private var memory: UnsafeMutableRawPointer?
  /// Bytes that the session has not dealt with: from `start` to `end`.
  private(set) var start = 0
  private(set) var end = 0

  deinit {
    if let lent = unsafe memory { unsafe munmap(lent, Self.byteCount) }
  }

  var isLent: Bool { unsafe memory != nil }
  var hasUnconsumed: Bool { end > start }

  // MARK: Memory

  @inline(__always)
  mutating func lend(from pool: inout BufferPool) throws(SystemError) {
    if unsafe memory == nil { unsafe memory = try pool.take() }
  }

  /// Gives the memory back if nothing in it is needed any more.
  @inline(__always)
  mutating func giveBack(to pool: inout BufferPool) {
    if start != end { return }
    if let lent = unsafe memory { unsafe pool.give(lent) }
    unsafe memory = nil
    (start, end) = (0, 0)
  }

  // MARK: Filling

  /// Receives what fits behind `end`. Nothing that was read may wait to be sent, since it moves to the front.
  ///
  /// - Returns: How many bytes, 0 at the end of the stream, or -errno.
  @inline(__always)
  mutating func receive(from socket: Int32, _ received: inout ReceivedDescriptors) -> Int {
    compact()
    guard let memory = unsafe memory, end < Self.byteCount else { preconditionFailure("read into a buffer without room") }
    let n = unsafe received.receive(from: socket, at: memory + end, Self.byteCount &- end)
    end &+= max(0, n)
    return n
  }

  /// Reads up to `count` bytes into the empty buffer. Returns how many, 0 at the end of the stream, or -errno.
  mutating func read(from socket: Int32, _ count: Int) -> Int {
    guard let memory = unsafe memory, start == 0, end == 0, count <= Self.byteCount else {
      preconditionFailure("read the beginning of a message into a buffer that is in use")
    }
    let n = unsafe clinux_read(socket, memory, count)
    if n > 0 { end = n }
    return n
  }

  /// Receives and forgets what fits into the empty buffer. Returns how many bytes, 0 at the end of the stream, or -errno.
  mutating func discard(from socket: Int32, _ received: inout ReceivedDescriptors) -> Int {
    guard let memory = unsafe memory, start == end else { preconditionFailure("dropped what was not looked at") }
    let n = unsafe received.receive(from: socket, at: memory, Self.byteCount)
    received.close()
    return n
  }

  @inline(__always)
  private mutating func compact() {
    if start == 0 { return }
    guard let memory = unsafe memory, start <= end, end <= Self.byteCount else { preconditionFailure("moved what is not there") }
    unsafe memmove(memory, memory + start, end - start)
    (start, end) = (0, end - start)
  }

  // MARK: What is there

  /// The bytes that the session has not dealt with.
  var unconsumed: RawSpan {
    @inline(__always) @_lifetime(borrow self) get {
      guard let memory = unsafe memory, start <= end, end <= Self.byteCount else { return RawSpan() }
      return unsafe _overrideLifetime(RawSpan(_unsafeStart: memory + start, byteCount: end &- start), borrowing: self)
    }
  }

  /// `count` bytes from `offset` on, which were read.
  @inline(__always)
  @_lifetime(borrow self)
  func bytes(_ offset: Int, _ count: Int) -> RawSpan {
    precondition(offset >= 0 && count >= 0 && offset + count <= end, "bytes that were not read")
    guard let memory = unsafe memory else { return RawSpan() }
    return unsafe _overrideLifetime(RawSpan(_unsafeStart: memory + offset, byteCount: count), borrowing: self)
  }

  /// `count` bytes from `offset` on, for a send that follows at once.
  @inline(__always)
  func part(_ offset: Int, _ count: Int) -> iovec {
    guard let memory = unsafe memory, offset >= 0, count >= 0, offset + count <= end else {
      preconditionFailure("sent what was not read")
    }
    return unsafe iovec(iov_base: memory + offset, iov_len: count)
  }

  /// Sends the first `count` bytes, without descriptors. Returns how many left, or -errno.
  @inline(__always)
  func send(to socket: Int32, _ count: Int) -> Int {
    guard let memory = unsafe memory, count <= end else { preconditionFailure("sent what was not read") }
    return unsafe clinux_send_now(socket, memory, count)
  }

  /// The session has dealt with `count` more bytes.
  @inline(__always)
  mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= end &- start, "dealt with what was not read")
    start &+= count
  }

  /// Forgets what the session has not dealt with.
  mutating func dropUnconsumed() { end = start }
}
