// Answers: one for each call that was forwarded and asked for one, to the one who asked, from the one who was asked.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let driver = "org.freedesktop.DBus"

@Suite("answers to the client's calls")
struct IncomingReplyTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var call: Draft
    var answer: Draft
    var passes: Bool
    init(_ text: String, _ call: Draft, _ answer: Draft, _ passes: Bool) {
      (testDescription, self.call, self.answer, self.passes) = (text, call, answer, passes)
    }
  }

  static let toUnique = Draft.call(9, to: ":1.5", "Do")
  static let toName = Draft.call(9, to: "org.foo", "Do")
  static let toDriver = Draft.driver(9, "ListNames")
  static let addMatch = Draft.driver(9, "AddMatch", .string("type='signal'"))
  static let cases = [
    Case("the unique name that was called", toUnique, .answer(3, to: 9, of: Rig.name, from: ":1.5"), true),
    Case("its error", toUnique, .error(3, to: 9, of: Rig.name, from: ":1.5"), true),
    Case("another unique name", toUnique, .answer(3, to: 9, of: Rig.name, from: ":1.6"), false),
    Case("another unique name's error", toUnique, .error(3, to: 9, of: Rig.name, from: ":1.6"), false),
    Case("the driver, that the called one is gone", toUnique, .error(3, to: 9, of: Rig.name, from: driver), true),
    Case("the driver with what is no error", toUnique, .answer(3, to: 9, of: Rig.name, from: driver), false),
    Case("nobody", toUnique, .answer(3, to: 9, of: Rig.name), false),
    Case("whoever has the name", toName, .answer(3, to: 9, of: Rig.name, from: ":1.6"), true),
    Case("the driver, that nobody has the name", toName, .error(3, to: 9, of: Rig.name, from: driver), true),
    Case("an answer to somebody else", toName, .answer(3, to: 9, of: ":1.8", from: ":1.6"), false),
    Case("an answer to nobody", toName, .answer(3, to: 9, of: nil, from: ":1.6"), false),
    Case("another serial", toName, .answer(3, to: 10, of: Rig.name, from: ":1.6"), false),
    Case("the driver, which was called", toDriver, .answer(3, to: 9, of: Rig.name, from: driver), true),
    Case("the driver's error", toDriver, .error(3, to: 9, of: Rig.name, from: driver), true),
    Case("a peer, where the driver was called", toDriver, .answer(3, to: 9, of: Rig.name, from: ":1.6"), false),
    Case("a peer's error, where the driver was called", toDriver, .error(3, to: 9, of: Rig.name, from: ":1.6"), false),
    Case("the driver, about AddMatch", addMatch, .answer(3, to: 9, of: Rig.name, from: driver), true),
    Case("the driver, about AddMatch, to somebody else", addMatch, .answer(3, to: 9, of: ":1.8", from: driver), false),
    Case("a peer, about AddMatch", addMatch, .error(3, to: 9, of: Rig.name, from: ":1.6"), false),
    Case(
      "a call that asked for no answer", toName.changed { $0.flags = 1 }, .answer(3, to: 9, of: Rig.name, from: ":1.6"), false),
    Case("a call of the client's that was denied", .call(9, "Undo"), .answer(3, to: 9, of: Rig.name, from: ":1.6"), false),
  ]

  @Test("an answer passes if it is from", arguments: cases)
  func passes(item: Case) throws {
    let rig = try Rig.open([rule(.outgoing, "*", ["Do"])])
    rig.feed(item.call, from: .client)
    rig.forget()
    rig.feed(item.answer, from: .bus)
    #expect(rig.client.stream == (item.passes ? item.answer.bytes : []))
    #expect(rig.bus.stream.isEmpty && rig.close == nil)
    // A refused one does not use up the right of the true one.
    rig.forget()
    let truth = Draft.answer(4, to: 9, of: Rig.name, from: item.call.destination == driver ? driver : ":1.5")
    rig.feed(truth, from: .bus)
    let isExpected = item.call.flags == 0 && item.call.member != "Undo"
    #expect(rig.client.stream == (isExpected && !item.passes ? truth.bytes : []))
  }

  @Test("an answer passes once", arguments: [toUnique, toName, toDriver, addMatch])
  func once(call: Draft) throws {
    let rig = try Rig.open([rule(.outgoing, "*", ["Do"])])
    rig.feed(call, from: .client)
    let answer = Draft.answer(3, to: 9, of: Rig.name, from: call.destination == driver ? driver : ":1.5")
    rig.feed(answer.bytes + answer.bytes, from: .bus)
    #expect(rig.client.stream == answer.bytes)
  }

  @Test("answers may come in any order")
  func anyOrder() throws {
    let rig = try Rig.open([rule(.outgoing, "*", ["Do"])])
    let serials: [UInt32] = [5, .max, 2, 1 << 31, 4, 3]
    for serial in serials { rig.feed(.call(serial, to: ":1.5", "Do"), from: .client) }
    for serial in serials.reversed() { rig.feed(.answer(8, to: serial, of: Rig.name, from: ":1.5"), from: .bus) }
    #expect(try rig.messages(.client).map(\.replySerial) == serials.reversed())
  }

  @Test("a serial that still waits is refused with InvalidArgs, and free after the answer")
  func serialInUse() throws {
    let rig = try Rig.open([rule(.outgoing, "*", ["Do"])])
    rig.feed(.call(9, to: ":1.5", "Do"), from: .client)
    rig.feed(.call(9, to: ":1.6", "Do"), from: .client)
    #expect(try rig.message(.client).errorName == "org.freedesktop.DBus.Error.InvalidArgs")
    #expect(try rig.messages(.bus).map(\.destination) == [":1.5"])
    rig.feed(.answer(3, to: 9, of: Rig.name, from: ":1.5"), from: .bus)
    rig.feed(.call(9, to: ":1.6", "Do"), from: .client)
    #expect(try rig.messages(.bus).map(\.destination) == [":1.5", ":1.6"])
  }

  @Test("a call beyond pending-replies-max is refused with LimitsExceeded; one that asks for no answer is not")
  func limit() throws {
    let rig = try Rig.open([rule(.outgoing, "*", ["Do"])]) { $0.limits.pendingRepliesMax = 3 }
    for serial in 2...5 as ClosedRange<UInt32> { rig.feed(.call(serial, to: ":1.5", "Do"), from: .client) }
    rig.feed(.call(6, to: ":1.5", "Do").changed { $0.flags = 1 }, from: .client)
    #expect(try rig.messages(.bus).map(\.serial) == [2, 3, 4, 6])
    #expect(try rig.summary(.client) == ["LimitsExceeded<-5"])
  }
}

@Suite("answers of the client")
struct OutgoingReplyTests {
  private func called(_ rules: [GatewayRule] = [rule(.incoming)], flags: UInt8 = 0) throws -> Rig {
    let rig = try Rig.open(rules)
    rig.feed(.call(9, to: Rig.name, "Do", from: ":1.5").changed { $0.flags = flags }, from: .bus)
    rig.forget()
    return rig
  }

  @Test("pass once, to the caller", arguments: [Draft.answer(2, to: 9, of: ":1.5"), .error(2, to: 9, of: ":1.5")])
  func once(answer: Draft) throws {
    let rig = try called()
    rig.feed(answer.bytes + answer.bytes, from: .client)
    #expect(rig.bus.stream == answer.bytes)
    #expect(rig.client.stream.isEmpty)
  }

  @Test(
    "not to another, not with another serial, not to nobody",
    arguments: [
      Draft.answer(2, to: 9, of: ":1.6"), .answer(2, to: 8, of: ":1.5"), .answer(2, to: 9, of: nil),
      .answer(2, to: 9, of: "org.foo"),
      .error(2, to: 9, of: ":1.55"),
    ])
  func wrong(answer: Draft) throws {
    let rig = try called()
    rig.feed(answer, from: .client)
    #expect(rig.bus.stream.isEmpty && rig.client.stream.isEmpty)
    rig.feed(.answer(3, to: 9, of: ":1.5"), from: .client)
    #expect(try rig.summary(.bus) == ["return<-9"])
  }

  @Test("not to a call that asked for none, nor to one that was denied")
  func unasked() throws {
    for rig in [try called(flags: 1), try called([])] {
      rig.feed(.answer(2, to: 9, of: ":1.5"), from: .client)
      #expect(rig.bus.stream.isEmpty && rig.client.stream.isEmpty)
    }
  }

  @Test("two callers with one serial each get theirs")
  func twoCallers() throws {
    let rig = try called()
    rig.feed(.call(9, to: Rig.name, "Do", from: ":1.6"), from: .bus)
    for caller in [":1.5", ":1.6", ":1.5"] { rig.feed(.answer(2, to: 9, of: caller), from: .client) }
    #expect(try rig.messages(.bus).map(\.destination) == [":1.5", ":1.6"])
  }

  @Test("with a CONTAINER_INSTANCE do not pass; the caller is told")
  func containerInstance() throws {
    let rig = try called()
    rig.feed(.answer(2, to: 9, of: ":1.5").changed { $0.containerInstance = "/c" }, from: .client)
    let told = try rig.message(.bus)
    #expect(told.errorName == "org.freedesktop.DBus.Error.AccessDenied" && told.replySerial == 9 && told.destination == ":1.5")
    rig.forget()
    rig.feed(.answer(3, to: 9, of: ":1.5"), from: .client)
    #expect(rig.bus.stream.isEmpty)
  }

  @Test("a call beyond its caller's bound is refused at once, and no answer to another is lost")
  func perCaller() throws {
    let rig = try Rig.open([rule(.incoming)]) { $0.limits.incomingCallsPerCallerMax = 2 }
    for serial in 1...3 as ClosedRange<UInt32> { rig.feed(.call(serial, to: Rig.name, "Do", from: ":1.5"), from: .bus) }
    let told = try rig.message(.bus)
    #expect(told.errorName == "org.freedesktop.DBus.Error.LimitsExceeded" && told.replySerial == 3 && told.destination == ":1.5")
    rig.forget()
    for serial in 1...3 as ClosedRange<UInt32> { rig.feed(.answer(9, to: serial, of: ":1.5"), from: .client) }
    #expect(try rig.messages(.bus).map(\.replySerial) == [1, 2])
  }

  @Test("who asks for callers and for the client itself, as often as both may be, goes on")
  func callersAndClient() throws {
    let rig = try Rig.open([rule(.incoming), rule(.outgoing)]) { $0.limits.incomingCallsMax = 16 }
    for caller in 20..<28 { rig.feed(.call(1, to: Rig.name, "Do", from: ":1.\(caller)"), from: .bus) }
    for serial in 2...3 as ClosedRange<UInt32> { rig.feed(.call(serial, to: Rig.name, "Do", from: ":1.30"), from: .bus) }
    #expect(try rig.summary(.bus) == Array(repeating: "NameHasOwner", count: 8), "all that may be under way")
    for serial in [0xFF00_0000, 0xFE00_0000] as [UInt32] { rig.feed(.signal(serial, "Sig"), from: .client) }
    #expect(try rig.messages(.bus).last?.text == Rig.name && rig.wait(.client) == "serial")
    rig.feed(.call(4, to: Rig.name, "Do", from: ":1.30"), from: .bus)
    #expect(try rig.messages(.client).count == 11)
    #expect(try rig.messages(.bus).filter { $0.member == "NameHasOwner" }.count == 9)
  }
}
