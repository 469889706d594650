// Kinds of message whose decisions may be remembered, and kinds whose may not: what the tests of both have in common.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

/// A kind of message, of which any number can be sent.
struct Kind: CustomTestStringConvertible, Sendable {
  let testDescription: String
  var side = Side.client
  var message: Draft
  var rules: [GatewayRule] = []
  var names: NameRules?
  var owners: [String: String] = [:]
  var configure: @Sendable (inout SessionSettings) -> Void = { _ in }
  /// What makes a client that has its name the one that is meant.
  var prepare: @Sendable (NamedBus) throws -> Void = { _ in }
  /// What comes before each of the messages, which has this serial, and answers this one.
  var before: @Sendable (NamedBus, UInt32) throws -> Void = { _, _ in }
  /// Whether each has another REPLY_SERIAL.
  var isReply: Bool { message.type == 2 || message.type == 3 }
  var descriptors: Int { Int(message.unixFDs ?? 0) }

  init(_ description: String, _ message: Draft, from side: Side = .client, _ rules: [GatewayRule] = []) {
    testDescription = description
    (self.message, self.side, self.rules) = (message, side, rules)
  }

  func with(_ change: (inout Kind) -> Void) -> Kind {
    var kind = self
    change(&kind)
    return kind
  }

  /// A client that has its name, before any of these messages.
  func open() throws -> NamedBus {
    let bus = try NamedBus(rules, names, owners: owners, configure)
    try prepare(bus)
    return bus
  }

  /// The `number`th of them.
  func message(_ number: UInt32) -> Draft {
    message.changed {
      $0.serial = 200 + number
      if isReply { $0.replySerial = 400 + number }
    }
  }

  /// Sends the `number`th of them.
  func send(_ number: UInt32, to bus: NamedBus) throws {
    try before(bus, 400 + number)
    bus.rig.feed(message(number), descriptors: descriptors, from: side)
  }
}

extension Kind {
  private static let driver = "org.freedesktop.DBus"
  private static let everything = [rule(.outgoing), rule(.incoming)]

  /// The client calls, and is to be answered.
  private static func called(_ destination: String) -> @Sendable (NamedBus, UInt32) throws -> Void {
    { bus, serial in bus.rig.feed(.call(serial, to: destination, "Asked"), from: .client) }
  }

  /// Decided by the header and the policy alone.
  static let lasting: [Kind] = [
    Kind("a call that a rule allows", .call(9, "Do"), everything),
    Kind("a call to a unique name", .call(9, to: ":1.5", "Do"), everything),
    Kind("a call that wants no answer", .call(9, "Do").changed { $0.flags = Draft.noReply }, everything),
    Kind("a call without interface", .call(9, interface: nil, "Do"), everything),
    Kind("a call with a descriptor", .call(9, "Do").changed { $0.unixFDs = 1 }, everything),
    Kind("a signal", .signal(9, "Sig"), everything),
    Kind("a signal to one peer", .signal(9, to: ":1.5", "Sig"), everything),
    Kind("a call that no rule allows", .call(9, "Do")),
    Kind("a call that a rule denies", .call(9, "Do"), everything + [rule(.outgoing, "*", ["Do"], deny: true)]),
    Kind("a signal that no rule allows", .signal(9, "Sig")),
    Kind("a call that is audited", .call(9, "Do")).with { $0.configure = { $0.mode = .audit } },
    Kind("a call that is logged", .call(9, "Do"), everything).with { $0.configure = { $0.logging = .everything } },
    Kind("an incoming call", .call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus, everything),
    Kind("an incoming call that no rule allows", .call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus),
    Kind("an incoming signal", .signal(9, "Sig", from: ":1.5"), from: .bus, everything),
    Kind("an incoming signal that no rule allows", .signal(9, "Sig", from: ":1.5"), from: .bus),
    Kind("an incoming signal to the client", .signal(9, to: Rig.name, "Sig", from: ":1.5"), from: .bus, everything),
    Kind("an answer to a call to a unique name", .answer(9, to: 1, of: Rig.name, from: ":1.5"), from: .bus, everything)
      .with { $0.before = called(":1.5") },
    Kind("an answer to a call to a well-known name", .answer(9, to: 1, of: Rig.name, from: ":1.5"), from: .bus, everything)
      .with { $0.before = called("org.foo") },
    Kind("an error", .error(9, to: 1, of: Rig.name, from: ":1.5"), from: .bus, everything).with { $0.before = called(":1.5") },
    Kind("an answer of the driver's that nothing is learnt from", .answer(9, to: 1, of: Rig.name, from: driver), from: .bus)
      .with { $0.before = { bus, serial in bus.rig.feed(.driver(serial, "GetId"), from: .client) } },
    Kind("an answer of the client's", .answer(9, to: 1, of: ":1.5"), everything).with {
      $0.before = { bus, serial in bus.rig.feed(.call(serial, to: Rig.name, "Asked", from: ":1.5"), from: .bus) }
    },
    Kind("a call where nothing is filtered", .call(9, "Do")).with { $0.configure = { $0.isUnfiltered = true } },
    Kind("a message from the bus where nothing is filtered", .call(9, to: ":1.9", "Do", from: ":1.5"), from: .bus).with {
      $0.configure = { $0.isUnfiltered = true }
    },
  ]

  /// The same with names, where it is known who owns what: by what is known of the peer besides.
  static let lastingByName: [Kind] = [
    Kind("a call to a visible name", .call(9, "Do")),
    Kind("a call to its owner", .call(9, to: ":1.5", "Do")),
    Kind("a signal to everybody that a rule allows", .signal(9, "Sig"), everything),
    Kind("a call to a name that may only be seen", .call(9, to: "org.see", "Do")),
    Kind("a call to the owner of a denied name", .call(9, to: ":1.6", "Do"), [rule(.outgoing, deny: true, name: "org.see")]),
    Kind("a call from a visible name's owner", .call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus, everything),
    Kind("a signal of a visible name's owner", .signal(9, "Sig", from: ":1.5"), from: .bus),
    Kind("a signal of nobody visible", .signal(9, "Sig", from: ":1.99"), from: .bus),
  ].map { kind in
    kind.with {
      $0.names = GateSessionTests.names(talk: ["org.foo"], see: ["org.see"])
      $0.owners = ["org.foo": ":1.5", "org.see": ":1.6"]
    }
  }
}
