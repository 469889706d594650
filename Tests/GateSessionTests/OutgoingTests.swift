// What the client may say to the bus.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("outgoing messages")
struct OutgoingTests {
  static let open = rule(.outgoing, "org.foo.Bar", ["Do", "Sig"], path: "/foo")

  struct Case: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var message: Draft
    var rules: [GatewayRule]
    var passes: Bool
    init(_ text: String, _ message: Draft, _ rules: [GatewayRule], _ passes: Bool) {
      (testDescription, self.message, self.rules, self.passes) = (text, message, rules, passes)
    }
  }

  static let everything = rule(.outgoing)
  static let cases = [
    Case("a call that a rule names", .call(9, "Do"), [open], true),
    Case("another member", .call(9, "Undo"), [open], false),
    Case("another path", .call(9, "Do", path: "/bar"), [open], false),
    Case("another interface", .call(9, interface: "org.foo.Baz", "Do"), [open], false),
    Case("no rule", .call(9, "Do"), [], false),
    Case("a rule of the other direction", .call(9, "Do"), [rule(.incoming)], false),
    Case("a deny rule beside a rule", .call(9, "Do"), [open, rule(.outgoing, "*", ["Do"], deny: true)], false),
    Case("a deny rule before a rule", .call(9, "Do"), [rule(.outgoing, "*", ["Do"], deny: true), open], false),
    Case("a deny rule for another member", .call(9, "Do"), [open, rule(.outgoing, "*", ["Undo"], deny: true)], true),
    Case("a call without interface, rule for every interface", .call(9, interface: nil, "Do"), [everything], true),
    Case("a call without interface, rule for its member", .call(9, interface: nil, "Do"), [rule(.outgoing, "*", ["Do"])], true),
    Case("a call without interface, rule for one interface", .call(9, interface: nil, "Do"), [open], false),
    Case("a call without interface, rule for `**`", .call(9, interface: nil, "Do"), [rule(.outgoing, "**")], false),
    Case(
      "a call without interface, deny rule for one interface", .call(9, interface: nil, "Do"),
      [everything, rule(.outgoing, "org.foo.Bar", ["Do"], deny: true)], false),
    Case("a call, rule for signals only", .call(9, "Do"), [rule(.outgoing, calls: false)], false),
    Case("a signal, rule for signals only", .signal(9, "Sig"), [rule(.outgoing, calls: false)], true),
    Case("a signal, rule for calls only", .signal(9, "Sig"), [rule(.outgoing, signals: false)], false),
    Case("a signal that a rule names", .signal(9, "Sig"), [open], true),
    Case("a signal that none names", .signal(9, "Other"), [open], false),
    Case("a signal to one peer", .signal(9, to: ":1.5", "Sig"), [open], true),
    Case("CONTAINER_INSTANCE", .call(9, "Do").changed { $0.containerInstance = "/c" }, [everything], false),
    Case("CONTAINER_INSTANCE in a signal", .signal(9, "Sig").changed { $0.containerInstance = "/c" }, [everything], false),
    Case(
      "CONTAINER_INSTANCE to the driver", .driver(9, "ListNames").changed { $0.containerInstance = "/c" }, [everything], false),
    Case("REPLY_SERIAL in a call", .call(9, "Undo").changed { $0.replySerial = 1 }, [open], false),
    Case("REPLY_SERIAL in a call that a rule names", .call(9, "Do").changed { $0.replySerial = 1 }, [open], true),
    Case("a SENDER that is not the client's", .call(9, "Do", from: ":1.1"), [open], true),
    Case("an unknown flag", .call(9, "Do").changed { $0.flags = 0x80 }, [open], true),
    Case("an unknown type", Draft(type: 77, serial: 9), [everything], false),
    Case("an unknown type that looks like a call", .call(9, "Do").changed { $0.type = 5 }, [everything], false),
    Case("an answer that nobody waits for", .answer(9, to: 4, of: ":1.5"), [everything], false),
    Case("an error that nobody waits for", .error(9, to: 4, of: ":1.5"), [everything], false),
    Case("an answer without destination", .answer(9, to: 4, of: nil), [everything], false),
    Case("a call to org.freedesktop.DBus, by a wildcard", .driver(9, "ReloadConfig"), [everything], false),
    Case(
      "a call that says the driver's interface to another", .call(9, interface: "org.freedesktop.DBus", "AddMatch"), [open], false
    ),
  ]

  @Test("a message passes, or its sender is told", arguments: cases, [ByteOrder.little, .big])
  func verdict(of item: Case, order: ByteOrder) throws {
    let rig = try Rig.open(item.rules)
    var message = item.message
    message.order = order
    rig.feed(message, from: .client)
    #expect(rig.bus.stream == (item.passes ? message.bytes : []))
    #expect(rig.client.stream.isEmpty == (item.passes || message.type != 1))
    #expect(rig.close == nil)
  }

  @Test(
    "and so does every call that asks for no answer, only that nobody is told", arguments: cases.filter { $0.message.type == 1 })
  func noReply(of item: Case) throws {
    let rig = try Rig.open(item.rules)
    let message = item.message.changed { $0.flags |= Draft.noReply }
    rig.feed(message, from: .client)
    #expect(rig.bus.stream == (item.passes ? message.bytes : []))
    #expect(rig.client.stream.isEmpty)
  }

  @Test("allowed messages keep their order and their bytes, however they were cut", arguments: 1...40)
  func order(cut: Int) throws {
    let rig = try Rig.open([Self.open])
    var sent: [UInt8] = [], expected: [UInt8] = []
    for serial in 10..<30 as Range<UInt32> {
      let message = Draft.call(serial, serial % 3 == 0 ? "Undo" : "Do").with([.string(String(repeating: "x", count: Int(serial)))]
      )
      sent += message.bytes
      if serial % 3 != 0 { expected += message.bytes }
    }
    for start in stride(from: 0, to: sent.count, by: cut) {
      rig.feed(Array(sent[start..<min(start + cut, sent.count)]), from: .client)
    }
    #expect(rig.bus.stream == expected)
    #expect(try rig.messages(.client).map(\.replySerial) == [12, 15, 18, 21, 24, 27])
  }

  @Test("what came before something malformed still arrives; nothing behind it does")
  func malformed() throws {
    let rig = try Rig.open([Self.open])
    let good = Draft.call(9, "Do").bytes
    var bad = good
    bad[3] = 2
    rig.feed(good + bad + good, from: .client)
    #expect(rig.bus.stream == good)
    #expect(rig.close == .malformed(.client, .version(3)))
  }

  @Test("the policy may change between two messages; calls under way keep their answers")
  func reload() throws {
    let rig = try Rig.open([Self.open])
    rig.feed(.call(9, "Do"), from: .client)
    rig.policy = Policy(rules: [], busName: "SESSION")
    rig.feed(.call(10, "Do"), from: .client)
    #expect(try rig.summary(.client) == ["AccessDenied<-10"])
    rig.feed(.answer(5, to: 9, of: Rig.name, from: ":1.5"), from: .bus)
    #expect(try rig.summary(.client) == ["AccessDenied<-10", "return<-9"])
  }
}

@Suite("the decision log")
struct DecisionLogTests {
  @Test(
    "denials are logged by default, everything or nothing on request",
    arguments: [
      (SessionSettings.Logging.denied, ["no-rule", "stray-reply"]), (.everything, ["rule", "no-rule", "stray-reply"]),
      (.nothing, []),
    ] as [(SessionSettings.Logging, [String])])
  func logging(logging: SessionSettings.Logging, expected: [String]) throws {
    let rig = try Rig.open([OutgoingTests.open]) { $0.logging = logging }
    rig.feed(Draft.call(9, "Do").bytes + Draft.call(10, "Undo").bytes + Draft.answer(11, to: 1, of: ":1.5").bytes, from: .client)
    #expect(rig.decisions.map(\.verdict.reason.word) == expected)
  }

  @Test("a rule's own wish comes first")
  func ruleLog() throws {
    let rules = [
      rule(.outgoing, "org.foo.Bar", ["Do"], log: true), rule(.outgoing, "org.foo.Bar", ["Undo"], deny: true, log: false),
    ]
    let rig = try Rig.open(rules)
    rig.feed(Draft.call(9, "Do").bytes + Draft.call(10, "Undo").bytes, from: .client)
    #expect(rig.decisions.map(\.verdict) == [Verdict(.allow, .rule, rule: 0, log: true)])
  }

  @Test("the rule that decided is named")
  func ruleIndex() throws {
    let rules = [rule(.outgoing, "org.x.Y"), rule(.outgoing, "org.foo.Bar", ["Do"]), rule(.outgoing, "*", ["Undo"], deny: true)]
    let rig = try Rig.open(rules) { $0.logging = .everything }
    rig.feed(Draft.call(9, "Do").bytes + Draft.call(10, "Undo").bytes, from: .client)
    #expect(rig.decisions.map(\.verdict.rule) == [1, 2])
    #expect(rig.decisions.map(\.verdict.action) == [.allow, .deny])
  }

  @Test("more messages than an output holds are dealt with all the same")
  func many() throws {
    let rig = try Rig.open()
    rig.feed((2..<202).flatMap { Draft.call($0, "Do").bytes }, from: .client)
    #expect(rig.decisions.count == 200)
    #expect(try rig.messages(.client).map(\.replySerial) == Array(2..<202))
  }
}
