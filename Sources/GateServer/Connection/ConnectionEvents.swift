// What a connection wants of the server, or has to tell it, after its turn. The server acts on it when all events of the wake-up are dealt with.

/// Things that happened to a connection and are not its own to deal with.
struct ConnectionEvents: OptionSet {
  let rawValue: UInt16

  /// The client is to be told which bus it is.
  static let identifyBus = ConnectionEvents(rawValue: 1 << 0)
  /// It wants its connection to the bus.
  static let connectBus = ConnectionEvents(rawValue: 1 << 1)
  /// Its bus has said who it is.
  static let busKnown = ConnectionEvents(rawValue: 1 << 2)
  /// Hello was answered, or never will be: another connection may say it.
  static let helloDone = ConnectionEvents(rawValue: 1 << 3)
  /// The bus went away, or is another one.
  static let busGone = ConnectionEvents(rawValue: 1 << 4)
  /// Its connection to the bus is there.
  static let busConnected = ConnectionEvents(rawValue: 1 << 9)
  /// A connect in progress came to nothing.
  static let connectFailed = ConnectionEvents(rawValue: 1 << 5)
  /// The client has sent something, before it said Hello.
  static let progressed = ConnectionEvents(rawValue: 1 << 6)
  /// The client has said Hello.
  static let registered = ConnectionEvents(rawValue: 1 << 7)
  /// It is over: its sockets are closed, and the server may forget it.
  static let ended = ConnectionEvents(rawValue: 1 << 8)
}
