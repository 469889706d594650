// What one recvmsg(2) brings besides bytes. One of these serves the whole loop.

import CLinux
import GateSession

/// The descriptors of the last message that was received.
@safe
struct ReceivedDescriptors: ~Copyable {
  private let memory = UnsafeMutablePointer<Int32>.allocate(capacity: Limits.kernelDescriptorsMax)
  private var count = 0
  /// Whether the kernel had to drop some, for want of room in the process's table.
  private(set) var areLost = false

  deinit { unsafe memory.deallocate() }

  /// Receives up to `room` bytes at `place`, and descriptors. Returns how many bytes, 0 at the end, or -errno.
  @inline(__always)
  mutating func receive(from socket: Int32, at place: UnsafeMutableRawPointer, _ room: Int) -> Int {
    var (received, truncated): (UInt32, Int32) = (0, 0)
    let n = unsafe clinux_receive(socket, place, room, memory, &received, &truncated)
    (count, areLost) = (Int(received), truncated != 0)
    precondition(count <= Limits.kernelDescriptorsMax, "the kernel sends no more")
    return n
  }

  /// Puts them behind others, whose they are now.
  @inline(__always)
  mutating func append(to others: inout [Int32]) {
    if count == 0 { return }
    for i in 0..<count { others.append(unsafe memory[i]) }  // below the count that was received
    count = 0
  }

  /// Closes them.
  mutating func close() {
    for i in 0..<count { unsafe closeDescriptor(memory[i]) }  // below the count that was received
    count = 0
  }
}
