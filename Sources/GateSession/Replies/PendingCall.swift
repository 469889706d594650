// What is remembered of a call until it is answered.

/// An outgoing call without an answer yet.
struct PendingCall: BitwiseCopyable {
  let serial: UInt32
  let purpose: CallPurpose
  let expectedSender: ExpectedSender
  /// A hash: of the unique name that was called, or what ``CallPurpose`` says.
  let detail: UInt64
}
