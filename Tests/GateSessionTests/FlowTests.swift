// The gate's own words among others', what stops whom, and how long anything may take.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("the gate's own messages among others")
struct LocalMessageTests {
  static let open = [rule(.outgoing, "*", ["Do"]), rule(.incoming, "*", ["Do", "Sig"])]

  @Test("stand only between two messages, wherever a message of the other side is cut", arguments: 1...199)
  func boundary(cut: Int) throws {
    let rig = try Rig.open(Self.open)
    let signal = Draft.signal(5, "Sig", from: ":1.5").padded(to: 200).bytes
    rig.feed(Array(signal[..<cut]), from: .bus)
    rig.feed(.call(9, "Undo"), from: .client)
    let isHeaderThere = rig.client.forwarded.count == cut
    #expect((rig.own(to: .client) > 0) == isHeaderThere)
    rig.feed(Array(signal[cut...]) + signal, from: .bus)
    #expect(try rig.summary(.client) == (isHeaderThere ? ["Sig", "AccessDenied<-9", "Sig"] : ["AccessDenied<-9", "Sig", "Sig"]))
  }

  @Test("may stand where a message is skipped")
  func whileSkipping() throws {
    let rig = try Rig.open(Self.open)
    let signal = Draft.signal(5, "Other", from: ":1.5").padded(to: 5000).bytes
    rig.feed(Array(signal[..<3000]), from: .bus)
    rig.feed(.call(9, "Undo"), from: .client)
    #expect(try rig.summary(.client) == ["AccessDenied<-9"])
  }

  @Test("to the bus stand between the client's messages")
  func toBus() throws {
    let rig = try Rig.open(Self.open)
    let call = Draft.call(9, "Do").padded(to: 500).bytes
    rig.feed(Array(call[..<300]), from: .client)
    rig.feed(.call(7, to: Rig.name, "Undo", from: ":1.5"), from: .bus)
    #expect(rig.bus.stream.count == 300)
    rig.feed(Array(call[300...]), from: .client)
    #expect(try rig.summary(.bus) == ["Do", "AccessDenied<-7"])
  }

  @Test(
    "errors that the client does not take stop the client, and nobody else; all arrive in the end",
    arguments: [Side.client, .bus])
  func backpressure(side: Side) throws {
    let limit = 8192
    let rig = try Rig.open(Self.open) { $0.limits.ownOutputBytesMax = limit }
    rig.stall(side)
    let sent = (2..<302).map { side == .client ? Draft.call($0, "Undo") : .call($0, to: Rig.name, "Undo", from: ":1.5") }
    rig.feed(sent.flatMap(\.bytes), from: side)
    #expect(rig.wait(side) == "localOutput(GateSession.Side.\(side))")
    #expect(rig.unconsumed(side) > 0)
    #expect(rig.own(to: side) <= limit)
    // The other direction goes on.
    let other = side == .client ? Draft.call(5, to: Rig.name, "Do", from: ":1.5") : .call(5, "Do")
    rig.feed(other, from: side.other)
    #expect(rig.wait(side.other) == "bytes")
    rig.unstall(side)
    #expect(rig.unconsumed(side) == 0)
    let answers = try rig.messages(side).filter { $0.type == .error }
    #expect(answers.map(\.replySerial) == Array(2..<302))
  }

  @Test("an error in the place of an answer finds no room: the answer waits, and nothing is lost")
  func answerInstead() throws {
    let rig = try Rig.open(Self.open) {
      $0.limits.ownOutputBytesMax = 4096
      $0.limits.messageBytesMax = 500
    }
    for serial in 1...64 as ClosedRange<UInt32> { rig.feed(.call(serial, to: Rig.name, "Do", from: ":1.5"), from: .bus) }
    rig.stall(.bus)
    rig.feed((1...64).flatMap { Draft.answer($0, to: $0, of: ":1.5").padded(to: 600).bytes }, from: .client)
    #expect(rig.own(to: .bus) <= 4096)
    rig.unstall(.bus)
    let told = try rig.messages(.bus).filter { $0.type == .error }.map(\.replySerial)
    #expect(told == Array(1...64))
  }
}

@Suite("waiting")
struct WaitTests {
  @Test("for the bus: what the client pipelines is kept")
  func bus() throws {
    let rig = Rig([rule(.outgoing)])
    rig.connectsAtOnce = false
    rig.feed(Array("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".utf8) + Draft.driver(1, "Hello").bytes, from: .client)
    rig.feed(.call(2, "Do"), from: .client)
    #expect(rig.wait(.client) == "bus" && rig.requests == .connectBus && !rig.isOpen)
    rig.connect()
    #expect(rig.wait(.client) == "bus")
    let opening = Array("\0AUTH EXTERNAL 353030\r\nBEGIN\r\n".utf8)
    #expect(rig.bus.stream == opening + Draft.driver(1, "Hello").bytes, "Hello goes with the handshake, and nothing else does")
    rig.forget()
    rig.answerHandshake(unixFDs: nil)
    #expect(rig.isOpen && rig.wait(.client) == "bytes")
    #expect(try rig.summary(.bus) == ["Do"])
  }

  @Test("for somebody to say whether the client is who it claims to be", arguments: [true, false])
  func identity(isAccepted: Bool) {
    let rig = Rig()
    rig.acceptsIdentity = isAccepted
    rig.feed("\0AUTH EXTERNAL 30\r\n", from: .client)
    #expect(String(decoding: rig.client.stream, as: UTF8.self) == (isAccepted ? "OK \(Rig.guid)\r\n" : "REJECTED EXTERNAL\r\n"))
  }

  @Test("a bus that is another one than the client was told of closes the connection")
  func busChanged() {
    let rig = Rig()
    rig.feed("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", from: .client)
    rig.feed(.driver(1, "Hello"), from: .client)
    rig.feed("OK ffffffffffffffffffffffffffffffff\r\n", from: .bus)
    #expect(rig.close == .busChanged)
  }

  @Test("a bus that passes no descriptors where the client was told it does closes the connection")
  func busAgreesToLess() {
    let rig = Rig()
    rig.feed("\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", from: .client)
    rig.feed(.driver(1, "Hello"), from: .client)
    rig.answerHandshake(unixFDs: false)
    #expect(rig.close == .busChanged)
  }
}

@Suite("time")
struct TimeTests {
  static let open = LocalMessageTests.open

  @Test("a client that does not authenticate is closed at auth-timeout, not before")
  func auth() {
    let rig = Rig()
    rig.feed("\0AUTH", from: .client)
    #expect(rig.deadline == rig.now.advanced(byMilliseconds: 30_000))
    rig.advance(29_999)
    #expect(rig.expired == nil)
    rig.advance(1)
    #expect(rig.expired == .authTimeout)
  }

  @Test("a client that does not say Hello is closed at auth-timeout, and the bus has heard nothing", arguments: [0, 1, 60])
  func noHello(count: Int) {
    let rig = Rig()
    rig.authenticate()
    rig.feed(Array(Draft.driver(1, "Hello").bytes[..<count]), from: .client)
    rig.advance(29_999)
    #expect(rig.expired == nil)
    rig.advance(1)
    #expect(rig.expired == .authTimeout)
    #expect(rig.bus.stream.isEmpty && !rig.requests.contains(.connectBus))
  }

  @Test("a Hello that is not answered closes the client at hello-timeout after the bus was connected; afterwards nothing is due")
  func hello() throws {
    let rig = Rig()
    rig.authenticate()
    rig.feed(.driver(1, "Hello"), from: .client)
    rig.advance(4_999)
    #expect(rig.expired == nil)
    rig.advance(1)
    #expect(rig.expired == .helloTimeout)
    rig.feed(.answer(1, to: 1, of: Rig.name, from: "org.freedesktop.DBus").with([.string(Rig.name)]), from: .bus)
    #expect(rig.expired == nil && rig.deadline == nil)
  }

  @Test("an unfinished message that keeps own messages waiting closes the connection", arguments: [Side.client, .bus])
  func partial(side: Side) throws {
    let rig = try Rig.open(Self.open)
    let unfinished = (side == .client ? Draft.call(9, "Do") : .signal(9, "Do", from: ":1.5")).padded(to: 1000).bytes
    rig.feed(Array(unfinished[..<500]), from: side)
    rig.advance(100_000)
    #expect(rig.expired == nil && rig.deadline == nil, "nobody waits")
    rig.feed(side == .client ? .call(5, to: Rig.name, "Undo", from: ":1.5") : .call(5, "Undo"), from: side.other)
    #expect(rig.deadline == rig.now.advanced(byMilliseconds: 30_000))
    rig.advance(29_999)
    #expect(rig.expired == nil)
    rig.advance(1)
    #expect(rig.expired == .partialMessageTimeout(side))
  }

  @Test("one that is finished in time does not, and the count begins anew", arguments: [Side.client, .bus])
  func finished(side: Side) throws {
    let rig = try Rig.open(Self.open)
    let message = (side == .client ? Draft.call(9, "Do") : .signal(9, "Do", from: ":1.5")).changed { $0.flags = 1 }.padded(
      to: 1000
    ).bytes
    let denied = side == .client ? Draft.call(5, to: Rig.name, "Undo", from: ":1.5") : .call(5, "Undo")
    for _ in 1...3 {
      rig.feed(Array(message[..<500]), from: side)
      rig.feed(denied, from: side.other)
      rig.advance(20_000)
      #expect(rig.expired == nil)
      rig.feed(Array(message[500...]), from: side)
      #expect(rig.deadline == nil)
    }
  }

  @Test("time in which it is the receiver that does not take what is there does not count")
  func receiverIsBusy() throws {
    let rig = try Rig.open(Self.open)
    let signal = Draft.signal(9, "Sig", from: ":1.5").padded(to: 1000).bytes
    rig.feed(Array(signal[..<500]), from: .bus)
    rig.feed(.call(5, "Undo"), from: .client)
    rig.advance(20_000)
    rig.stall(.client)
    rig.feed(Array(signal[500..<600]), from: .bus)
    rig.advance(100_000)
    #expect(rig.expired == nil && rig.deadline == nil)
    rig.unstall(.client)
    rig.advance(9_999)
    #expect(rig.expired == nil)
    rig.advance(1)
    #expect(rig.expired == .partialMessageTimeout(.bus))
  }

  /// Calls that no rule allows, from both sides, until the session takes no more of them.
  private func provoke(_ rig: Rig, _ sides: [Side]) {
    for serial in 10..<400 as Range<UInt32> {
      if sides.contains(.client) { rig.feed(.call(serial, "Undo"), from: .client) }
      if sides.contains(.bus) { rig.feed(.call(serial, to: Rig.name, "Undo", from: ":1.5"), from: .bus) }
    }
  }

  @Test(
    "two sides that both leave their errors and are therefore both not read are closed, or two gates would wait for each other")
  func mutualWait() throws {
    let rig = try Rig.open(Self.open)
    rig.stall(.client)
    rig.stall(.bus)
    provoke(rig, [.client, .bus])
    #expect(!rig.wantsBytes(.client) && !rig.wantsBytes(.bus))
    rig.advance(29_999)
    #expect(rig.expired == nil)
    rig.advance(1)
    #expect(rig.expired == .mutualWait)
  }

  @Test("one side that leaves its errors is stopped for as long as it likes", arguments: [Side.client, .bus])
  func oneWaits(side: Side) throws {
    let rig = try Rig.open(Self.open)
    rig.stall(side)
    provoke(rig, [side])
    #expect(!rig.wantsBytes(side) && rig.wantsBytes(side.other))
    rig.advance(1_000_000)
    #expect(rig.expired == nil && rig.deadline == nil)
  }
}
