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

extension Session {
  /// Where in `message`, one of the client's, the name stands that it asks the driver about; no bytes if it asks about none, does not say
  /// it as it should, or is not all there or too large to be looked into.
  ///
  /// - Parameters:
  ///   - message: From its first byte on, as far as it has come.
  ///   - header: Its header, which was read.
  public func nameAsked(by message: RawSpan, _ header: MessageHeader) -> ByteRange {
    let (start, end) = (header.frame.headerByteCount, header.frame.messageByteCount)
    if !asksAboutName(message, header) || end > message.byteCount { return ByteRange() }
    guard let method = Driver.method(of: message, header) else { return ByteRange() }
    do throws(WireError) {
      let place = try MessageArguments.leadingString(
        in: message.extracting(start..<end), byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature),
        expected: method.signature)
      return ByteRange(offset: place.offset + UInt32(start), count: place.count)
    } catch {
      return ByteRange()
    }
  }

  /// Whether a call is to a method of the driver that takes a name, and may be looked into.
  func asksAboutName(_ message: RawSpan, _ header: MessageHeader) -> Bool {
    if header.frame.type != .methodCall || header.unixFDs > 0 { return false }
    if header.frame.headerByteCount > settings.limits.headerBytesMax { return false }
    if header.frame.messageByteCount > settings.limits.inspectBytesMax || header.frame.bodyByteCount == 0 { return false }
    let destination = message.bytes(in: header.destination)
    if destination.byteCount > 0 && !destination.isEqual(to: Driver.name) { return false }
    return Driver.method(of: message, header)?.isAboutName ?? false
  }
}

extension Driver {
  fileprivate static func method(of message: RawSpan, _ header: MessageHeader) -> DriverMethod? {
    method(interface: message.bytes(in: header.interface), member: message.bytes(in: header.member))
  }
}
