// The message that a question is about.

import DBusWire
import GatePolicy

extension MessageWriter {
  /// Bytes of a message as `question` describes it, to or from the client called `client`. What is not known of the body is written as
  /// it should be, so that the rules decide and not a missing argument.
  static func message(for question: Question, client: String, serial: UInt32) -> [UInt8] {
    var writer = MessageWriter()
    writer.field(.path, question.path)
    writer.field(.interface, question.interface)
    writer.field(.member, question.member)
    switch question.kind {
    case .methodReturn: writer.field(.replySerial, 1_000_000)
    case .error:
      writer.field(.replySerial, 1_000_000)
      writer.field(.errorName, "org.freedesktop.DBus.Error.Failed")
    case .methodCall, .signal: break
    }
    writer.field(.destination, writer.destination(of: question, client: client))
    if question.direction == .incoming { writer.field(.sender, question.sender.isEmpty ? Question.someone : question.sender) }
    if question.fds > 0 { writer.field(.unixFDs, UInt32(clamping: question.fds)) }
    writer.addArguments(of: question)
    return writer.message(question.kind.messageType, serial: serial)
  }

  private func destination(of question: Question, client: String) -> String {
    if !question.destination.isEmpty { return question.destination }
    switch (question.direction, question.kind) {
    case (.outgoing, .methodCall): return Self.driver
    case (.incoming, .methodCall), (.incoming, .methodReturn), (.incoming, .error): return client
    case (.outgoing, .methodReturn), (.outgoing, .error): return Question.someone
    case (_, .signal): return ""
    }
  }

  private mutating func addArguments(of question: Question) {
    let isBus = question.interface.isEmpty || question.interface == Self.driver
    if question.isForDriver && isBus {
      switch question.member {
      case "AddMatch", "RemoveMatch": argument(question.argument ?? Self.anyMatchRule)
      case "RequestName":
        argument(question.argument ?? "org.example.Name")
        argument(UInt32(0))
      case "ReleaseName": argument(question.argument ?? "org.example.Name")
      case "StartServiceByName":
        argument(question.argument ?? "org.example.Name")
        argument(UInt32(0))
      default: if let text = question.argument { argument(text) }
      }
    } else if let text = question.argument {
      argument(text)
    }
  }

  /// A match rule that nothing is wrong with.
  static let anyMatchRule = "type='signal'"
}

extension Question.Kind {
  /// As a header has it.
  var messageType: MessageType {
    switch self {
    case .methodCall: .methodCall
    case .methodReturn: .methodReturn
    case .error: .error
    case .signal: .signal
    }
  }
}
