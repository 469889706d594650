// One direction of one connection: bytes that were read from a socket and have not all left for the other one. The input buffer is the
// output queue: what cannot be sent stays where it was read, and stops the reading.

import CLinux
import GateSession
import Glibc

/// What is on its way from one socket to the other.
struct Pipe: ~Copyable {
  var buffer = ReadBuffer()
  /// What was decided and could not be sent yet. Offsets count from the buffer's first byte.
  var unsent: [Output.Action] = []
  /// Spliced bytes of large messages that could not be sent yet. They come before all that is in `unsent`.
  var spliced: SplicePipe?
  /// Whether the send buffer of the destination was enlarged.
  var isWide = false
  /// Descriptors that were received and have not left or been closed, oldest first.
  var descriptors: [Int32] = []
  /// Why the session stopped where it did.
  var wait = Output.Wait.bytes
  /// Whether what is left in the buffer is to be offered to the session again, whatever `wait` says.
  var isToOffer = false
  /// The source has nothing more to say.
  var isAtEnd = false
  /// The destination takes nothing any more: what would go there is dropped.
  var isWriteClosed = false
  /// Descriptors that were sent and may not have been received yet: an upper bound.
  var descriptorsInFlight = 0
  /// What stops the sending, if something is unsent: descriptors that the receiver has not taken, rather than room for bytes.
  var waitsForDescriptors = false

  deinit {
    for descriptor in descriptors { closeDescriptor(descriptor) }
    spliced?.close()
  }

  var hasUnsent: Bool { !unsent.isEmpty || spliced != nil }

  /// Whether everything that was read has left, or is the beginning of a message, and more is awaited.
  var hasNoBacklog: Bool {
    mutating get {
      if case .bytes = wait { return !hasUnsent && !isToOffer && !isAtEnd && !isWriteClosed }
      return false
    }
  }

  /// Whether more bytes would be dealt with if they were read.
  var wantsBytes: Bool {
    if isAtEnd || hasUnsent { return false }
    switch wait {
    case .bytes: return true
    case .room, .bus, .identity, .localOutput, .serial, .owners: return false
    }
  }

  /// Whether the session stopped for something that will come, or has, rather than for more bytes.
  var waitsForEvent: Bool {
    switch wait {
    case .bytes: false
    case .room, .bus, .identity, .localOutput, .serial, .owners: true
    }
  }

  /// Gives the buffer back when there is nothing in it.
  @inline(__always)
  mutating func releaseBuffer(to pool: inout BufferPool) {
    if !hasUnsent { buffer.giveBack(to: &pool) }
  }

  /// Forgets what of a large message was spliced and could not be sent.
  mutating func dropSpliced() {
    spliced?.close()
    spliced = nil
  }

  /// Closes the first `count` descriptors.
  mutating func closeDescriptors(_ count: Int) {
    if count == 0 { return }
    precondition(count <= descriptors.count, "closed descriptors that did not come")
    closeAll(descriptors.span.extracting(0..<count))
    if count == descriptors.count { descriptors.removeAll(keepingCapacity: true) } else { descriptors.removeFirst(count) }
  }

  /// Forgets everything that waits to be sent, and closes the descriptors that would have gone with it.
  mutating func dropUnsent() {
    closeDescriptors(unsent.reduce(0) { $0 + Int($1.descriptors) })
    unsent = []
    waitsForDescriptors = false
    dropSpliced()
  }

  /// Forgets and closes all that is on its way.
  mutating func close(to pool: inout BufferPool) {
    closeDescriptors(descriptors.count)
    unsent = []
    dropSpliced()
    buffer.dropUnconsumed()
    buffer.giveBack(to: &pool)
  }
}

extension Pipe {
  /// Receives what fits into the buffer, and the descriptors that come with it. Returns how many bytes, 0 at the end, or -errno.
  @inline(__always)
  mutating func receive(from socket: Int32, _ received: inout ReceivedDescriptors, _ pool: inout BufferPool) -> Int {
    precondition(buffer.start == 0 || !hasUnsent, "moved bytes that are still to be sent")
    let n = buffer.receive(from: socket, &received)
    if n <= 0 { releaseBuffer(to: &pool) }
    received.append(to: &descriptors)
    return n
  }

  /// Sends what is laid out in `batch`, with the first `count` descriptors. Returns how many bytes left, or -errno.
  @inline(__always)
  func send(_ batch: inout SendBatch, to socket: Int32, descriptors count: Int) -> Int {
    batch.send(to: socket, with: descriptors.span.extracting(0..<count))
  }

  /// The first `count` descriptors have left.
  mutating func noteSent(descriptors count: Int) {
    closeDescriptors(count)
    descriptorsInFlight += count
  }

  /// Whether `count` more descriptors may be sent before the receiver has taken those that are under way. The kernel counts them
  /// for the user, over all gates: a receiver that takes none must not use up what the others need.
  mutating func hasDescriptorBudget(_ count: Int, of limit: Int, _ socket: Int32) -> Bool {
    if descriptorsInFlight + count <= limit { return true }
    if clinux_unread_by_peer(socket) != 0 { return false }
    descriptorsInFlight = 0
    return true
  }
}
