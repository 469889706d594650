// Calls that the client is asked and has not answered: remembered, refused where there are too many, and forgotten when their caller has
// left the bus. Where there are many, the gate asks the bus itself, on the client's own connection, whether those that nothing has been
// heard of for the longest time are still there; the answers stay here.

import DBusWire

extension Mediator {
  /// Remembers a call that the client is to answer. Returns why it cannot be, if there is no room.
  @inline(__always)
  mutating func expectClientReply(_ caller: UInt64, _ message: MessageView) -> Verdict.Reason? {
    let isCrowded = replies.isCrowded
    let reason = replies.expectClientReply(caller: caller, message.sender, message.serial)
    if isCrowded { askForCallers() }
    return reason
  }

  /// Asks the bus for callers, if it is time for some. Not before Hello is answered: until then a bus serves nobody.
  @inline(never)
  private mutating func askForCallers() {
    if !registration.isNamed { return }
    for caller in replies.takeCallersToAsk() {
      makeOwnCall(.ownNameHasOwner, unsafe caller.text.span.bytes, detail: caller.name)
    }
  }

  /// Makes a call that the bus answers once it has dealt with all that was said before.
  mutating func askForClient() {
    let name = registration.uniqueName
    makeOwnCall(.ownNameHasOwner, unsafe name.span.bytes, detail: 0)
  }
}
