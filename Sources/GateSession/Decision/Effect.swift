// What a decision changes, besides the fate of its message. Numbers and places only, so that it can be remembered with its decision; read in
// the message once, when it was decided on, and applied in one place (Mediator+Effects).

/// The change that comes with a decision.
enum Effect: BitwiseCopyable {
  /// None.
  case none

  // MARK: Calls of the client

  /// The client has called, and this one may answer. `detail` is what ``PendingCall/detail`` is.
  case expectReply(CallPurpose, ExpectedSender, detail: UInt64)
  /// The answer to a call of the client's is here: there is no other.
  case takeReply(ReplySender)
  /// The same, but it may not pass: the client is told why in its place.
  case replaceReply

  // MARK: Calls that the client is asked

  /// This caller has called, and the client may answer.
  case expectClientReply(caller: UInt64)
  /// The client has answered this caller.
  case takeClientReply(caller: UInt64)
  /// The same, but it may not pass: the caller is told why in its place.
  case replaceClientReply(caller: UInt64)

  // MARK: The driver

  /// What the client asks the driver.
  case driverCall(DriverCallEffect)
  /// What the driver answers.
  case driverReply(DriverReplyEffect)
  /// What the driver tells.
  case driverSignal(DriverSignalEffect)
}
