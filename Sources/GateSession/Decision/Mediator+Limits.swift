// What is refused whatever the policy says: sizes, descriptors, what no client may write.

import DBusWire
import GatePolicy

extension Mediator {
  /// Looks at the size of a message and at its descriptors. Nil: nothing is to be said against it.
  @inline(__always)
  func checkLimits(
    _ message: MessageView, _ side: Side, _ descriptors: Int, _ agreed: (sender: Bool, receiver: Bool)
  ) -> Progress? {
    let claimed = message.descriptorCount
    // The specification lets descriptors come with any byte of their message, but not later.
    if claimed > descriptors && message.isComplete { return .close(.descriptorMismatch(side)) }
    if let reason = overLimit(message) { return .deny(reason) }
    return claimed > 0 ? checkDescriptors(message, side, descriptors, agreed) : nil
  }

  @inline(__always)
  private func overLimit(_ message: MessageView) -> Verdict.Reason? {
    if message.header.frame.headerByteCount > settings.limits.headerBytesMax { return .headerTooLong }
    if message.header.frame.messageByteCount > settings.limits.messageBytesMax { return .messageTooLong }
    return nil
  }

  @inline(__always)
  private func checkDescriptors(
    _ message: MessageView, _ side: Side, _ descriptors: Int, _ agreed: (sender: Bool, receiver: Bool)
  ) -> Progress? {
    let claimed = message.descriptorCount
    if claimed > descriptors {
      // The rest may still come, but for what would be refused anyway.
      if claimed <= settings.limits.descriptorsPerMessageMax && message.bytes.byteCount < settings.limits.inspectBytesMax {
        return .needsBytes
      }
      return .deny(.tooManyDescriptors)
    }
    if claimed > settings.limits.descriptorsPerMessageMax { return .deny(.tooManyDescriptors) }
    if !agreed.sender { return .close(.descriptorMismatch(side)) }
    return agreed.receiver ? nil : .deny(.descriptorsNotNegotiated)
  }
}
