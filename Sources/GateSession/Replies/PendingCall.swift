// What is remembered of a call until it is answered.

/// An outgoing call without an answer yet.
struct PendingCall: BitwiseCopyable {
  var serial: UInt32
  var purpose: CallPurpose
  var expectedSender: ExpectedSender
  /// A hash: of the unique name that was called, or what ``CallPurpose`` says.
  var detail: UInt64
}
