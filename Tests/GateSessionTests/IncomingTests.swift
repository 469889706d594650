// What the bus may bring to the client.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let driver = "org.freedesktop.DBus"

/// A signal of the driver that names a bus name.
private func nameSignal(
  _ member: String, _ name: String, from sender: String = driver, to destination: String? = Rig.name
) -> Draft {
  .signal(20, to: destination, interface: driver, member, path: "/org/freedesktop/DBus", from: sender).with([.string(name)])
}

@Suite("incoming messages")
struct IncomingTests {
  static let open = rule(.incoming, "org.foo.Bar", ["Do", "Sig"], path: "/foo")
  static let everything = rule(.incoming)

  static let cases: [OutgoingTests.Case] = [
    .init("a call that a rule names", .call(9, to: Rig.name, "Do", from: ":1.5"), [open], true),
    .init("another member", .call(9, to: Rig.name, "Undo", from: ":1.5"), [open], false),
    .init("a rule of the other direction", .call(9, to: Rig.name, "Do", from: ":1.5"), [rule(.outgoing)], false),
    .init("a deny rule", .call(9, to: Rig.name, "Do", from: ":1.5"), [open, rule(.incoming, "*", ["Do"], deny: true)], false),
    .init(
      "a call without interface, rule for every interface", .call(9, to: Rig.name, interface: nil, "Do", from: ":1.5"),
      [everything], true),
    .init(
      "a call without interface, rule for one interface", .call(9, to: Rig.name, interface: nil, "Do", from: ":1.5"), [open],
      false),
    .init("a call to somebody else", .call(9, to: ":1.8", "Do", from: ":1.5"), [everything], false),
    .init("a call to a name that is not the client's", .call(9, to: "org.foo.Own", "Do", from: ":1.5"), [everything], false),
    .init("a call to nobody", .call(9, to: nil, "Do", from: ":1.5"), [everything], false),
    .init("a call to a prefix of the client's name", .call(9, to: ":1.70", "Do", from: ":1.5"), [everything], false),
    .init("a broadcast that a rule names", .signal(9, "Sig", from: ":1.5"), [open], true),
    .init("a broadcast that none names", .signal(9, "Other", from: ":1.5"), [open], false),
    .init("a signal to the client", .signal(9, to: Rig.name, "Sig", from: ":1.5"), [open], true),
    .init("a signal to somebody else", .signal(9, to: ":1.8", "Sig", from: ":1.5"), [everything], false),
    .init("REPLY_SERIAL in a signal", .signal(9, "Other", from: ":1.5").changed { $0.replySerial = 1 }, [open], false),
    .init("an unknown type", Draft(type: 9, serial: 9, sender: ":1.5"), [everything], false),
    .init(
      "CONTAINER_INSTANCE, which a bus may write", .signal(9, "Sig", from: ":1.5").changed { $0.containerInstance = "/c" },
      [open], true),
    .init("NameOwnerChanged", nameSignal("NameOwnerChanged", "org.foo", to: nil), [], true),
    .init("NameAcquired", nameSignal("NameAcquired", "org.foo.Own"), [], true),
    .init("NameLost", nameSignal("NameLost", "org.foo.Own"), [], true),
    .init("NameAcquired to somebody else", nameSignal("NameAcquired", "org.foo.Own", to: ":1.8"), [everything], false),
    .init("another signal of the driver, by a wildcard", nameSignal("ActivatableServicesChanged", "x"), [everything], false),
    .init(
      "another signal of the driver, by a rule that names it", nameSignal("ActivatableServicesChanged", "x"),
      [rule(.incoming, driver, ["ActivatableServicesChanged"])], true),
    .init(
      "another signal of the driver, named and denied", nameSignal("ActivatableServicesChanged", "x"),
      [rule(.incoming, driver, ["ActivatableServicesChanged"]), rule(.incoming, "*", ["Activ*"], deny: true)], false),
    .init(
      "PropertiesChanged of the driver, by a wildcard",
      .signal(9, interface: "org.freedesktop.DBus.Properties", "PropertiesChanged", path: "/org/freedesktop/DBus", from: driver),
      [everything], false),
  ]

  @Test("a message arrives, or its sender is told", arguments: cases, [ByteOrder.little, .big])
  func verdict(of item: OutgoingTests.Case, order: ByteOrder) throws {
    let rig = try Rig.open(item.rules)
    var message = item.message
    if message.body.isEmpty { message.order = order }
    rig.feed(message, from: .bus)
    #expect(rig.client.stream == (item.passes ? message.bytes : []))
    let mayBeTold = message.type == 1 && message.destination == Rig.name
    #expect(rig.bus.stream.isEmpty == (item.passes || !mayBeTold))
    #expect(rig.close == nil)
  }

  @Test(
    "only the driver's own word counts for a driver signal (CVE-2015-0245)",
    arguments: ["NameOwnerChanged", "NameAcquired", "NameLost", "ActivationFailure"])
  func forged(member: String) throws {
    let rig = try Rig.open([rule(.incoming, "org.foo.Bar")])
    rig.feed(nameSignal(member, "org.foo.Own", from: ":1.66"), from: .bus)
    #expect(rig.client.stream.isEmpty)
    // And no name is the client's because of it.
    rig.feed(.call(9, to: "org.foo.Own", "Do", from: ":1.5"), from: .bus)
    #expect(rig.client.stream.isEmpty && rig.bus.stream.isEmpty)
  }

  @Test("a call to a name reaches the client from NameAcquired to NameLost")
  func acquiredName() throws {
    let rig = try Rig.open([Self.open])
    let call = Draft.call(9, to: "org.foo.Own", "Do", from: ":1.5")
    rig.feed(call, from: .bus)
    #expect(rig.client.stream.isEmpty && rig.bus.stream.isEmpty)
    rig.feed(nameSignal("NameAcquired", "org.foo.Own"), from: .bus)
    rig.forget()
    rig.feed(call, from: .bus)
    #expect(rig.client.stream == call.bytes)
    rig.feed(nameSignal("NameLost", "org.foo.Own"), from: .bus)
    rig.forget()
    rig.feed(call.changed { $0.serial = 10 }, from: .bus)
    #expect(rig.client.stream.isEmpty && rig.bus.stream.isEmpty)
  }

  @Test("names are remembered up to names-max")
  func namesMax() throws {
    let rig = try Rig.open([Self.open]) { $0.limits.namesMax = 2 }
    for number in 1...3 { rig.feed(nameSignal("NameAcquired", "org.foo.N\(number)"), from: .bus) }
    rig.forget()
    for number in 1...3 as ClosedRange<UInt32> {
      rig.feed(.call(number, to: "org.foo.N\(number)", "Do", from: ":1.5"), from: .bus)
    }
    #expect(try rig.messages(.client).map(\.serial) == [1, 2])
  }

  @Test(
    "a NameAcquired whose body is no name tells nothing",
    arguments: [[], [Draft.Value.number(7)], [.string("org.foo.Own"), .number(1)]])
  func oddNameSignal(values: [Draft.Value]) throws {
    let rig = try Rig.open([Self.everything])
    rig.feed(.signal(20, to: Rig.name, interface: driver, "NameAcquired", from: driver).with(values), from: .bus)
    #expect(rig.close == nil)
    rig.forget()
    rig.feed(.call(9, to: "org.foo.Own", "Do", from: ":1.5"), from: .bus)
    #expect(rig.client.stream.isEmpty)
  }

  @Test("a Hello that asks for no answer is answered by NameAcquired alone")
  func silentHello() throws {
    let rig = Rig([Self.open])
    rig.authenticate()
    rig.feed(.driver(1, "Hello").changed { $0.flags = Draft.noReply }, from: .client)
    rig.feed(nameSignal("NameAcquired", Rig.name), from: .bus)
    #expect(rig.name == Rig.name)
    rig.forget()
    rig.feed(.call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus)
    #expect(try rig.summary(.client) == ["Do"])
  }

  @Test("allowed messages keep their order and their bytes, however they were cut", arguments: 1...40)
  func order(cut: Int) throws {
    let rig = try Rig.open([Self.open])
    var sent: [UInt8] = [], expected: [UInt8] = []
    for serial in 10..<30 as Range<UInt32> {
      let message = Draft.call(serial, to: Rig.name, serial % 3 == 0 ? "Undo" : "Do", from: ":1.5").with([.number(serial)])
      sent += message.bytes
      if serial % 3 != 0 { expected += message.bytes }
    }
    for start in stride(from: 0, to: sent.count, by: cut) {
      rig.feed(Array(sent[start..<min(start + cut, sent.count)]), from: .bus)
    }
    #expect(rig.client.stream == expected)
    #expect(try rig.messages(.bus).map(\.replySerial) == [12, 15, 18, 21, 24, 27])
  }
}

@Suite("monitors")
struct MonitorTests {
  static let become = Draft.driver(9, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor")
  static let granting = rule(.outgoing, "org.freedesktop.DBus.Monitoring", ["BecomeMonitor"])

  static func monitor() throws -> Rig {
    let rig = try Rig.open([granting])
    rig.feed(become, from: .client)
    rig.feed(.answer(5, to: 9, of: Rig.name, from: driver), from: .bus)
    rig.forget()
    return rig
  }

  @Test("a connection that was made a monitor receives everything")
  func everything() throws {
    let rig = try Self.monitor()
    let messages = [
      Draft.call(1, to: ":1.8", "Secret", from: ":1.5"), .answer(2, to: 1, of: ":1.5", from: ":1.8"),
      .signal(3, "Sig", from: ":1.5"),
      Draft(type: 99, serial: 4),
    ]
    for message in messages { rig.feed(message, from: .bus) }
    #expect(rig.client.stream == messages.flatMap(\.bytes))
  }

  @Test("one that the bus refused receives what it did before")
  func refused() throws {
    let rig = try Rig.open([Self.granting])
    rig.feed(Self.become, from: .client)
    rig.feed(.error(5, to: 9, of: Rig.name, from: driver), from: .bus)
    rig.forget()
    rig.feed(.signal(3, "Sig", from: ":1.5"), from: .bus)
    #expect(rig.client.stream.isEmpty)
  }

  @Test(
    "a late answer makes a monitor if the policy that is in force then allows it, and ends the connection if not",
    arguments: [true, false])
  func late(isAllowed: Bool) throws {
    let rig = try Rig.open([Self.granting])
    rig.feed(Self.become, from: .client)
    rig.reload(Policy(rules: isAllowed ? [Self.granting, rule(.incoming)] : [rule(.outgoing)], busName: "SESSION"))
    #expect(rig.close == nil)
    rig.feed(.answer(5, to: 9, of: Rig.name, from: driver), from: .bus)
    #expect(rig.close == (isAllowed ? nil : .monitorRevoked))
    #expect(rig.client.stream.isEmpty == !isAllowed)
  }

  @Test("a late refusal ends nothing")
  func lateRefusal() throws {
    let rig = try Rig.open([Self.granting])
    rig.feed(Self.become, from: .client)
    rig.reload(Policy(rules: [], busName: "SESSION"))
    rig.feed(.error(5, to: 9, of: Rig.name, from: driver), from: .bus)
    #expect(rig.close == nil)
    #expect(try rig.message(.client).replySerial == 9)
  }

  @Test("a reload that takes the rule away closes it; another reload does not")
  func revoked() throws {
    let rig = try Self.monitor()
    #expect(rig.session.takeBack(under: Policy(rules: [Self.granting, rule(.incoming)], busName: "SESSION")) == nil)
    #expect(rig.session.takeBack(under: Policy(rules: [rule(.outgoing)], busName: "SESSION")) == .monitorRevoked)
    #expect(try Rig.open().session.takeBack(under: Policy(rules: [], busName: "SESSION")) == nil)
  }

  @Test("what is over a limit is skipped; nothing is said, or the bus would disconnect the monitor")
  func silent() throws {
    let rig = try Self.monitor()
    rig.feed(.call(1, to: ":1.8", "Do", from: ":1.5").changed { $0.unixFDs = 254 }, descriptors: 254, from: .bus)
    rig.feed(.call(2, to: Rig.name, "Do", from: ":1.5").changed { $0.unixFDs = 254 }, descriptors: 254, from: .bus)
    #expect(rig.client.stream.isEmpty)
    #expect(rig.bus.stream.isEmpty)
    #expect(rig.closed.count == 508)
    let answer = Draft.answer(3, to: 1, of: ":1.5", from: ":1.8").changed { $0.unixFDs = 1 }
    rig.feed(answer, descriptors: 1, from: .bus)
    rig.forget()
    _ = rig.withdraw(answer.bytes, from: .bus)
    #expect(rig.client.stream.isEmpty && rig.bus.stream.isEmpty)
  }
}
