// Which well-known name the log tells beside a unique one. Known where names are followed: those that rules ask about; and with
// ``SessionSettings/tellsOwners`` all that there are.

import DBusWire
import GatePolicy

extension Session {
  /// The well-known name that `unique`, a unique name, owned last; of several one that the client used, else the first in order of their
  /// bytes. Nil if none is known.
  public func wellKnownName(of unique: RawSpan) -> String? {
    guard let names, unique.starts(with: UInt8(ascii: ":")) else { return nil }
    return names.ownerNames?.name(of: settings.seed.hash(unique)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Notes which names the client uses, or asks about: of several names of one peer it is these that it knows. False: the body is needed.
  ///
  /// Only where ``SessionSettings/tellsOwners`` is set.
  @inline(never)
  mutating func noteMention(_ message: RawSpan, _ header: MessageHeader, isComplete: Bool) -> Bool {
    guard let names, header.frame.type == .methodCall else { return true }
    let destination = message.bytes(in: header.destination)
    if destination.byteCount > 0 && !destination.isEqual(to: Driver.name) {
      if !destination.starts(with: UInt8(ascii: ":")) { names.ownerNames?.mention(settings.seed.hash(destination)) }
      return true
    }
    guard let signature = Self.signatureOfQuestion(message.bytes(in: header.member)),
      header.frame.messageByteCount <= settings.limits.inspectBytesMax
    else { return true }
    if !isComplete { return false }
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    do throws(WireError) {
      let place = try MessageArguments.leadingString(
        in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature), expected: signature)
      let name = body.extracting(Int(place.offset)..<Int(place.offset) + Int(place.count))
      names.ownerNames?.mention(settings.seed.hash(name))
    } catch {
      return true  // whoever decides on it says what is wrong
    }
    return true
  }

  /// The signature of a method of the driver by which clients look for a service; nil of any other.
  private static func signatureOfQuestion(_ member: RawSpan) -> StaticString? {
    if member.isEqual(to: "GetNameOwner") || member.isEqual(to: "NameHasOwner") { return "s" }
    return member.isEqual(to: "StartServiceByName") ? "su" : nil
  }
}
