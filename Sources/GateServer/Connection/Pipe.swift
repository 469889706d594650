// One direction of one connection: bytes that were read from a socket and have not all left for the other one. The input buffer is the
// output queue: what cannot be sent stays where it was read, and stops the reading.

import GateSession
import Glibc

/// What is on its way from one socket to the other.
@safe
struct Pipe: ~Copyable {
  /// The buffer, lent by the pool while there is something in it.
  var buffer: UnsafeMutableRawPointer?
  /// Bytes in the buffer that the session has not dealt with: from `start` to `end`.
  var start = 0
  var end = 0
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
  /// The source has nothing more to say.
  var isAtEnd = false
  /// The destination takes nothing any more: what would go there is dropped.
  var isWriteClosed = false
  /// Descriptors that were sent and may not have been received yet: an upper bound.
  var descriptorsInFlight = 0
  /// What stops the sending, if something is unsent: descriptors that the receiver has not taken, rather than room for bytes.
  var waitsForDescriptors = false

  var hasUnsent: Bool { !unsent.isEmpty || spliced != nil }
  var hasUnconsumed: Bool { end > start }

  /// Whether everything that was read has left, or is the beginning of a message, and more is awaited.
  var hasNoBacklog: Bool {
    mutating get {
      if case .bytes = wait { return !hasUnsent && !isAtEnd && !isWriteClosed }
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

  /// Makes room behind `end` by moving what is left to the front. Nothing may wait to be sent.
  mutating func compact() {
    guard start > 0, let buffer = unsafe buffer else { return }
    precondition(!hasUnsent && end <= BufferPool.bufferByteCount, "moved bytes that are still to be sent")
    unsafe memmove(buffer, buffer + start, end - start)
    end -= start
    start = 0
  }
}
