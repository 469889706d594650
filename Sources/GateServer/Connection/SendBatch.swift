// What one round of sending needs, made once: what is to be done, and the parts of the sendmsg in progress.

import CLinux
import GateSession
import Glibc

/// Room for the actions of one round of sending, and for what goes in one sendmsg(2).
@safe
struct SendBatch: ~Copyable {
  /// Actions with offsets that count from the buffer's first byte.
  var actions = InlineArray<64, Output.Action>(repeating: Output.Action(kind: .skip, descriptors: 0, offset: 0, count: 0))
  private let parts = UnsafeMutablePointer<iovec>.allocate(capacity: Output.actionsMax)
  private(set) var partCount = 0

  deinit { unsafe parts.deallocate() }

  /// Begins a sendmsg.
  @inline(__always)
  mutating func removeParts() { partCount = 0 }

  /// Adds a part of a read buffer.
  @inline(__always)
  mutating func add(_ buffer: borrowing ReadBuffer, _ offset: Int, _ count: Int) {
    precondition(partCount < Output.actionsMax, "more parts than actions")
    unsafe parts[partCount] = unsafe buffer.part(offset, count)
    partCount += 1
  }

  /// Adds `count` bytes of the session's local output, from `offset` on. It may not change before the sendmsg.
  @inline(__always)
  mutating func add(localOutputOf session: borrowing Session, to side: Side, _ offset: Int, _ count: Int) {
    let part = unsafe session.withLocalOutput(to: side) { own in
      precondition(offset + count <= own.count, "sent more of the local output than there is")
      return unsafe iovec(iov_base: UnsafeMutableRawPointer(mutating: own.baseAddress! + offset), iov_len: count)
    }
    precondition(partCount < Output.actionsMax, "more parts than actions")
    unsafe parts[partCount] = unsafe part
    partCount += 1
  }

  /// Sends the parts, with descriptors on the first byte. Returns how many bytes left, or -errno.
  @inline(__always)
  func send(to socket: Int32, with descriptors: Span<Int32>) -> Int {
    unsafe descriptors.withUnsafeBufferPointer {
      unsafe clinux_send(socket, parts, UInt32(partCount), $0.baseAddress, UInt32($0.count))
    }
  }
}
