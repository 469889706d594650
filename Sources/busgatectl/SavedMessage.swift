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
    bytes = input.bytes
    let span = unsafe bytes.span.bytes
    do throws(WireError) {
      let frame = try MessageFrame(span)
      if frame.messageByteCount != span.byteCount {
        throw ConfigurationFailure(
          description: "\(input.name): error: \(span.byteCount) bytes, expected one whole message of \(frame.messageByteCount)")
      }
      var header = MessageHeader(frame: frame)
      try header.read(span, frame: frame)
      question = try Self.question(header, bytes, direction, input.name)
    } catch let error as WireError {
      throw ConfigurationFailure(description: "\(input.name): error: \(error), expected one D-Bus message")
    } catch let error as ConfigurationFailure {
      throw error
    } catch {
      preconditionFailure("nothing else is thrown: \(error)")
    }
  }

  private static func question(
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
    default: throw ConfigurationFailure(description: "\(name): error: type \(header.frame.type.rawValue), expected a type from 1 to 4")
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
