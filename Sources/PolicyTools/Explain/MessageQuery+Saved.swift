// What is asked about a message that was saved: its header.

import DBusWire
import GatePolicy

extension MessageQuery {
  /// The message that `bytes` are, as they went over the socket.
  ///
  /// - Parameter direction: its way; nil: a message with a SENDER came from the bus.
  public init(saved bytes: [UInt8], direction: Direction?) throws(MessageQueryError) {
    let span = unsafe bytes.span.bytes
    if span.byteCount < MessageFrame.byteCount {
      throw MessageQueryError(
        description: "\(span.byteCount) bytes, expected one whole message, which has \(MessageFrame.byteCount) at least")
    }
    let header: MessageHeader
    do throws(WireError) {
      let frame = try MessageFrame(span)
      var read = MessageHeader(frame: frame)
      if frame.messageByteCount == span.byteCount { try read.read(span, frame: frame) }
      header = read
    } catch {
      throw MessageQueryError(description: "\(error), expected one D-Bus message")
    }
    let count = header.frame.messageByteCount
    if count != span.byteCount {
      throw MessageQueryError(description: "\(span.byteCount) bytes, expected one whole message, which has \(count)")
    }
    func text(_ range: ByteRange) -> String {
      range.isAbsent ? "" : String(decoding: bytes[Int(range.offset)...].prefix(Int(range.count)), as: UTF8.self)
    }
    let kind: Kind
    switch header.frame.type {
    case .methodCall: kind = .methodCall
    case .methodReturn: kind = .methodReturn
    case .error: kind = .error
    case .signal: kind = .signal
    default: throw MessageQueryError(description: "type \(header.frame.type.rawValue), expected a type from 1 to 4")
    }
    self.init(direction: direction ?? (header.sender.isAbsent ? .outgoing : .incoming), kind: kind)
    interface = text(header.interface)
    path = text(header.path)
    member = text(header.member)
    destination = text(header.destination)
    if self.direction == .incoming { sender = text(header.sender) }
    fds = Int(header.unixFDs)
  }
}
