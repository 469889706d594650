// Which name a call to the driver is about: what its denial says, in the log and to the caller. Looked for only when a call was denied.

import DBusWire
import GatePolicy

extension DriverMethod {
  /// Whether the first argument is a bus name.
  var isAboutName: Bool {
    switch names {
    case .see, .talk, .own: true
    case .list: false
    case .none: takesName
    }
  }

  /// What the arguments are, of a method that is about a name.
  var signature: StaticString { inspection == .requestName || inspection == .startService ? "su" : "s" }
}

extension Mediator {
  /// Where in `message`, one of the client's, the name stands that it asks the driver about: see ``Session/nameAsked(by:_:)``.
  func nameAsked(by message: MessageView) -> ByteRange {
    if !message.isComplete { return ByteRange() }
    guard let method = methodAboutName(message) else { return ByteRange() }
    do throws(WireError) {
      return try message.leadingString(expected: method.signature)
    } catch {
      return ByteRange()
    }
  }

  /// Whether a call is to a method of the driver that takes a name, and may be looked into.
  func asksAboutName(_ message: MessageView) -> Bool { methodAboutName(message) != nil }

  private func methodAboutName(_ message: MessageView) -> DriverMethod? {
    if message.type != .methodCall || message.descriptorCount > 0 || message.header.frame.bodyByteCount == 0 { return nil }
    if message.header.frame.headerByteCount > settings.limits.headerBytesMax || !isShortEnough(message) { return nil }
    if !message.header.destination.isAbsent && !message.destination.isEqual(to: Driver.name) { return nil }
    guard let method = Driver.method(interface: message.interface, member: message.member), method.isAboutName else {
      return nil
    }
    return method
  }
}
