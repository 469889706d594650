// What all connections of a loop do their input and output with. A connection is given it for its turn, and leaves nothing of its own in it.

import CLinux
import GateSession

/// Buffers, room for one send and one receive, the time, the poll set, the log.
struct IOContext: ~Copyable {
  let poll: PollSet
  let log: Log
  /// The time of the wake-up in progress.
  var now = Instant(milliseconds: clinux_milliseconds())
  var pool = BufferPool()
  var splicePool = SplicePool()
  /// What the session says in one call. Emptied before, carried out after.
  var output = Output()
  var batch = SendBatch()
  var received = ReceivedDescriptors()
  /// When the first of the connections has a deadline.
  var deadline = Deadline()
  /// Connections that have events for the server.
  var eventful: [ConnectionID] = []
}
