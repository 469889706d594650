// The message that a query is about.

import DBusWire
import GatePolicy

extension MessageWriter {
  /// Bytes of a message as `query` describes it, to or from the client called `client`. What is not known of the body is written as
  /// it should be, so that the rules decide and not a missing argument.
  static func message(for query: MessageQuery, client: String, serial: UInt32) -> [UInt8] {
    var writer = MessageWriter()
    writer.field(.path, query.path)
    writer.field(.interface, query.interface)
    writer.field(.member, query.member)
    switch query.kind {
    case .methodReturn: writer.field(.replySerial, 1_000_000)
    case .error:
      writer.field(.replySerial, 1_000_000)
      writer.field(.errorName, "org.freedesktop.DBus.Error.Failed")
    case .methodCall, .signal: break
    }
    writer.field(.destination, writer.destination(of: query, client: client))
    if query.direction == .incoming { writer.field(.sender, query.sender.isEmpty ? MessageQuery.someone : query.sender) }
    if query.fds > 0 { writer.field(.unixFDs, UInt32(clamping: query.fds)) }
    writer.addArguments(of: query)
    return writer.message(query.kind.messageType, serial: serial)
  }

  private func destination(of query: MessageQuery, client: String) -> String {
    if !query.destination.isEmpty { return query.destination }
    switch (query.direction, query.kind) {
    case (.outgoing, .methodCall): return Self.driver
    case (.incoming, .methodCall), (.incoming, .methodReturn), (.incoming, .error): return client
    case (.outgoing, .methodReturn), (.outgoing, .error): return MessageQuery.someone
    case (_, .signal): return ""
    }
  }

  private mutating func addArguments(of query: MessageQuery) {
    let isBus = query.interface.isEmpty || query.interface == Self.driver
    if query.isForDriver && isBus {
      switch query.member {
      case "AddMatch", "RemoveMatch": argument(query.argument ?? Self.anyMatchRule)
      case "RequestName":
        argument(query.argument ?? "org.example.Name")
        argument(UInt32(0))
      case "ReleaseName": argument(query.argument ?? "org.example.Name")
      case "StartServiceByName":
        argument(query.argument ?? "org.example.Name")
        argument(UInt32(0))
      default: if let text = query.argument { argument(text) }
      }
    } else if let text = query.argument {
      argument(text)
    }
  }

  /// A match rule that nothing is wrong with.
  static let anyMatchRule = "type='signal'"
}

extension MessageQuery.Kind {
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
