// Personality dbus-proxy: a client that speaks before saying Hello gets its Hello said by the gate.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let driver = "org.freedesktop.DBus"

@Suite("the gate's own Hello")
struct OwnHelloTests {
  private func start(_ rules: [GatewayRule] = [rule(.outgoing), rule(.incoming)]) -> Rig {
    let rig = Rig(rules) { $0.saysHello = true }
    rig.authenticate()
    return rig
  }

  private func answer(to serial: UInt32 = .max, name: String = Rig.name) -> Draft {
    .answer(3, to: serial, of: name, from: driver).with([.string(name)])
  }

  @Test("goes before the client's first call, and its answer stays here")
  func first() throws {
    let rig = start()
    rig.feed(.call(1, "Do"), from: .client)
    let messages = try rig.messages(.bus)
    #expect(messages.map(\.summary) == ["Hello", "Do"])
    #expect(messages[0].serial == .max && messages[0].destination == driver && messages[0].interface == driver)
    #expect(messages[0].path == "/org/freedesktop/DBus" && messages[0].flags == 0)
    rig.feed(answer(), from: .bus)
    #expect(rig.client.stream.isEmpty)
    #expect(rig.name == Rig.name && rig.requests.contains(.helloDone))
    rig.feed(.answer(4, to: 1, of: Rig.name, from: ":1.5"), from: .bus)
    #expect(try rig.summary(.client) == ["return<-1"])
  }

  @Test(
    "goes before a signal and before a call that is denied, too", arguments: [Draft.signal(1, "Sig"), .call(1, "Do")],
    [true, false])
  func beforeAnything(message: Draft, isAllowed: Bool) throws {
    let rig = start(isAllowed ? [rule(.outgoing)] : [])
    rig.feed(message, from: .client)
    #expect(try rig.summary(.bus) == (isAllowed ? ["Hello", message.member!] : ["Hello"]))
    #expect(rig.client.stream.isEmpty == (isAllowed || message.type == 4))
  }

  @Test("is not said for a client that says it, nor in other personalities", arguments: [true, false])
  func notNeeded(saysHello: Bool) throws {
    let rig = Rig([rule(.outgoing)]) { $0.saysHello = saysHello }
    rig.authenticate()
    if !saysHello {
      rig.feed(.call(9, "Do"), from: .client)
      #expect(try rig.message(.client).text.hasSuffix("comes before Hello, without which there is no connection to the bus"))
    }
    rig.feed(.driver(1, "Hello"), from: .client)
    rig.feed(.call(2, "Do"), from: .client)
    #expect(try rig.messages(.bus).map(\.serial) == [1, 2])
  }

  @Test("takes a serial that the first message has not", arguments: [1, .max, .max - 1] as [UInt32])
  func freeSerial(serial: UInt32) throws {
    let rig = start()
    rig.feed(.call(serial, to: ":1.5", "Do"), from: .client)
    let own = try rig.messages(.bus)[0].serial
    #expect(own == (serial == .max ? UInt32.max - 1 : .max))
    rig.feed(answer(to: own), from: .bus)
    rig.feed(.answer(9, to: serial, of: Rig.name, from: ":1.5"), from: .bus)
    #expect(try rig.messages(.client).map(\.replySerial) == [serial])
  }

  @Test("a message of its serial waits until it is answered, and so does all behind it")
  func clash() throws {
    let rig = start()
    rig.feed(.call(1, "Do"), from: .client)
    rig.feed(Draft.call(.max, "Do").bytes + Draft.call(2, "Do").bytes, from: .client)
    #expect(rig.wait(.client) == "serial")
    #expect(try rig.messages(.bus).map(\.serial) == [.max, 1])
    rig.feed(answer(), from: .bus)
    #expect(try rig.messages(.bus).map(\.serial) == [.max, 1, .max, 2])
  }

  @Test("a later Hello waits for the answer, and is answered by the gate", arguments: [true, false], [driver, nil])
  func laterHello(isEarly: Bool, destination: String?) throws {
    let rig = start()
    rig.feed(.call(1, "Do"), from: .client)
    if !isEarly { rig.feed(answer(), from: .bus) }
    rig.feed(.driver(7, "Hello").changed { $0.destination = destination }, from: .client)
    if isEarly {
      #expect(rig.wait(.client) == "serial" && rig.client.stream.isEmpty)
      rig.feed(answer(), from: .bus)
    }
    let message = try rig.message(.client)
    #expect(message.type == .methodReturn && message.replySerial == 7 && message.text == Rig.name)
    #expect(message.sender == driver && message.destination == Rig.name && message.flags == Draft.noReply)
    #expect(try rig.summary(.bus) == ["Hello", "Do"])
  }

  @Test("a Hello to nobody is answered by the gate too, also as the first message: a bus would not answer it")
  func helloToNobody() throws {
    let rig = start()
    rig.feed(.driver(1, "Hello").changed { $0.destination = nil }, from: .client)
    #expect(try rig.messages(.bus).map(\.destination) == [driver])
    rig.feed(answer(), from: .bus)
    #expect(try rig.message(.client).text == Rig.name)
    #expect(try rig.messages(.bus).count == 1)
  }

  @Test("a later Hello that asks for no answer gets none")
  func laterSilentHello() throws {
    let rig = start()
    rig.feed(.call(1, "Do"), from: .client)
    rig.feed(answer(), from: .bus)
    rig.feed(.driver(7, "Hello").changed { $0.flags = Draft.noReply }, from: .client)
    #expect(rig.client.stream.isEmpty)
    #expect(try rig.summary(.bus) == ["Hello", "Do"])
  }

  @Test("a call that is denied before the answer is answered at once, without a name")
  func deniedBefore() throws {
    let rig = start([])
    rig.feed(.call(1, "Do"), from: .client)
    let error = try rig.message(.client)
    #expect(error.destination == "" && error.replySerial == 1)
  }

  @Test("a first message that comes in pieces brings one Hello", arguments: [1, 5, 60])
  func pieces(cut: Int) throws {
    let rig = start()
    let message = Draft.driver(1, "AddMatch", .string("type='signal'")).bytes
    for start in stride(from: 0, to: message.count, by: cut) {
      rig.feed(Array(message[start..<min(start + cut, message.count)]), from: .client)
    }
    #expect(try rig.summary(.bus) == ["Hello", "AddMatch"])
  }

  @Test("if the bus refuses it, the client's own Hello goes to the bus")
  func refused() throws {
    let rig = start()
    rig.feed(.call(1, "Do").changed { $0.flags = Draft.noReply }, from: .client)
    rig.feed(.error(3, to: .max, of: nil, from: driver), from: .bus)
    #expect(rig.client.stream.isEmpty)
    rig.feed(.driver(2, "Hello"), from: .client)
    #expect(try rig.messages(.bus).map(\.serial) == [.max, 1, 2])
  }

  @Test("only the driver answers it")
  func forged() throws {
    let rig = start()
    rig.feed(.call(1, "Do"), from: .client)
    rig.feed(.answer(3, to: .max, of: ":1.66", from: ":1.66").with([.string(":1.66")]), from: .bus)
    #expect(rig.name == "" && rig.client.stream.isEmpty)
  }

  @Test("an output full of closed descriptors has room for it")
  func fullOutput() throws {
    let rig = Rig([rule(.outgoing)]) {
      $0.saysHello = true
      $0.logging = .nothing
    }
    // A bus that answers before it has read what it was told: that still waits.
    rig.stall(.bus)
    rig.feed("\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", from: .client)
    let odd = (1...62).flatMap { Draft(type: 9, serial: $0, unixFDs: 1).bytes }
    rig.feed(odd + Draft.call(99, "Do").bytes, descriptors: 62, from: .client)
    rig.answerHandshake()
    rig.unstall(.bus)
    #expect(rig.closed.count == 62)
    #expect(rig.bus.forwarded == Draft.call(99, "Do").bytes)
  }
}
