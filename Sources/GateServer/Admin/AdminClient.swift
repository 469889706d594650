// A client of an admin socket: its request, its answer, its deadline.

import GateSession

/// A client of an admin socket.
struct AdminClient {
  let id: UInt32
  let fd: Int32
  var input: [UInt8] = []
  /// The answer, of which `sent` bytes have left.
  var output: [UInt8] = []
  var sent = 0
  /// What is still to be written of a long answer.
  var listing: PolicyListing?
  /// The events that the kernel is asked for.
  var interest: UInt32
  var isAtEnd = false
  var closesAfterOutput = false
  /// When it last sent or took bytes.
  var lastActive: Instant
  /// When it is closed unless something happens before.
  var deadline: Instant?

  var hasOutput: Bool { sent < output.count || listing != nil }
}
