// A message in a file: the bytes as they went over the socket.

import DBusWire
import GatePolicy
import GateServer
import PolicyTools

/// A message that was saved.
struct SavedMessage {
  let bytes: [UInt8]
  let question: Question

  /// Reads the file at `path`.
  ///
  /// - Parameter direction: its way; nil: a message with a SENDER came from the bus.
  init(_ path: String, direction: Direction?) throws(ConfigurationFailure) {
    let input = try InputFile(path, expected: "one D-Bus message")
    let bytes = input.bytes
    self.bytes = bytes
    let span = unsafe bytes.span.bytes
    let header: MessageHeader
    do throws(WireError) {
      let frame = try MessageFrame(span)
      var read = MessageHeader(frame: frame)
      if frame.messageByteCount == span.byteCount { try read.read(span, frame: frame) }
      header = read
    } catch {
      throw ConfigurationFailure(description: "\(input.name): error: \(error), expected one D-Bus message")
    }
    let count = header.frame.messageByteCount
    if count != span.byteCount {
      throw ConfigurationFailure(
        description: "\(input.name): error: \(span.byteCount) bytes, expected one whole message, which has \(count)")
    }
    question = try Self.describe(header, bytes, direction, input.name)
  }

  private static func describe(
    _ header: MessageHeader, _ bytes: [UInt8], _ direction: Direction?, _ name: String
  ) throws(ConfigurationFailure) -> Question {
    func text(_ range: ByteRange) -> String {
      range.isAbsent ? "" : String(decoding: bytes[Int(range.offset)...].prefix(Int(range.count)), as: UTF8.self)
    }
    let kind: Question.Kind
    switch header.frame.type {
    case .methodCall: kind = .methodCall
    case .methodReturn: kind = .methodReturn
    case .error: kind = .error
    case .signal: kind = .signal
    default:
      throw ConfigurationFailure(description: "\(name): error: type \(header.frame.type.rawValue), expected a type from 1 to 4")
    }
    var question = Question(direction: direction ?? (header.sender.isAbsent ? .outgoing : .incoming), kind: kind)
    question.interface = text(header.interface)
    question.path = text(header.path)
    question.member = text(header.member)
    question.destination = text(header.destination)
    if question.direction == .incoming { question.sender = text(header.sender) }
    question.fds = Int(header.unixFDs)
    return question
  }
}
