// The sorts of messages that rules tell apart without a pattern. A rule speaks about some of them, a difference is about one.

import GatePolicy

/// A set of message sorts: direction, type, and whether there is an INTERFACE.
struct MessageCells: OptionSet, Hashable {
  let rawValue: UInt8

  static let outgoingCall = MessageCells(rawValue: 1)
  static let outgoingSignal = MessageCells(rawValue: 2)
  static let incomingCall = MessageCells(rawValue: 4)
  static let incomingSignal = MessageCells(rawValue: 8)
  /// A call without INTERFACE; a signal must have one.
  static let outgoingCallWithoutInterface = MessageCells(rawValue: 16)
  static let incomingCallWithoutInterface = MessageCells(rawValue: 32)

  /// Each alone, in the order of reports.
  static let each: [MessageCells] = [
    .outgoingCall, .outgoingSignal, .outgoingCallWithoutInterface, .incomingCall, .incomingSignal, .incomingCallWithoutInterface,
  ]

  /// Those whose messages have an INTERFACE.
  static let withInterface: MessageCells = [.outgoingCall, .outgoingSignal, .incomingCall, .incomingSignal]

  /// Those whose messages have none.
  static let withoutInterface: MessageCells = [.outgoingCallWithoutInterface, .incomingCallWithoutInterface]

  /// Of a set whose messages all have an INTERFACE, or all have none: whether they have.
  var hasInterface: Bool { !isDisjoint(with: .withInterface) }

  /// Of a set of one.
  var isSignal: Bool { !isDisjoint(with: [.outgoingSignal, .incomingSignal]) }

  /// Of a set of one.
  var direction: Direction {
    isDisjoint(with: [.outgoingCall, .outgoingSignal, .outgoingCallWithoutInterface]) ? .incoming : .outgoing
  }
}
