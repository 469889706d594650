// What changes with an answer of the driver's. Each takes away the call that was answered.

import DBusWire

/// The change that comes with an answer of the driver.
enum DriverReplyEffect: BitwiseCopyable {
  /// Hello was answered, with this name: no bytes if it failed. `isOwn`: the gate had said it.
  case hello(name: ByteRange, isOwn: Bool)
  /// AddMatch was answered: the rule's ``ClientMatches/Entry/number``.
  case addMatch(number: UInt64, succeeded: Bool)
  /// RequestName was answered: the name's ``RequestedNames/Entry/number``, and whether the client owns it or waits for it; nil: as before.
  case requestName(number: UInt64, isHeld: Bool?)
  /// BecomeMonitor was answered.
  case becomeMonitor(succeeded: Bool)
  /// A question about a name was answered, and passes.
  case question
  /// A question whether somebody has a name was answered, and the client is told that nobody has.
  case replaceQuestion
  /// A list of names passes as it is.
  case listNames
  /// The client gets a copy of a list of names, without those that are hidden.
  case filterNames
  /// A call of the gate's own about names was answered: ``PendingCall/purpose``, ``PendingCall/detail``.
  case ownNames(CallPurpose, detail: UInt64, isTooLong: Bool)
  /// The bus said whether the caller with this hash is still there.
  case caller(caller: UInt64, isGone: Bool)
  /// The bus released a name for the gate, or did not.
  case releaseName(name: UInt64, NameRelease.Outcome)
}
