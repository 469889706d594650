// Descriptors: each belongs to one message, goes where that goes, or is closed.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("descriptors")
struct DescriptorTests {
  static let open = [rule(.outgoing, "*", ["Do"]), rule(.incoming, "*", ["Do"])]
  static func call(_ serial: UInt32, _ member: String = "Do", fds: UInt32) -> Draft {
    .call(serial, member).changed { $0.unixFDs = fds }
  }

  @Test("go with their message; those of a denied one are closed")
  func ordinary() throws {
    let rig = try Rig.open(Self.open)
    rig.feed(Self.call(9, fds: 2), descriptors: 2, from: .client)
    rig.feed(Self.call(10, "Undo", fds: 3), descriptors: 3, from: .client)
    rig.feed(Self.call(11, fds: 1), descriptors: 1, from: .client)
    #expect(rig.bus.descriptors.map(\.id) == [1, 2, 6])
    #expect(rig.bus.descriptors.map(\.place) == [0, 0, Self.call(9, fds: 2).bytes.count])
    #expect(rig.closed == [3, 4, 5])
    #expect(rig.close == nil)
  }

  @Test("in one read, each message has its own (CVE-2014-3533)")
  func quick() throws {
    let rig = try Rig.open(Self.open)
    let messages = [Self.call(9, fds: 1), Self.call(10, "Undo", fds: 2), .call(11, "Do"), Self.call(12, fds: 3)]
    rig.feed(messages.flatMap(\.bytes), descriptors: 6, from: .client)
    #expect(rig.bus.descriptors.map(\.id) == [1, 4, 5, 6])
    #expect(rig.closed == [2, 3])
    let first = messages[0].bytes.count
    #expect(rig.bus.descriptors.map(\.place) == [0] + Array(repeating: first + messages[2].bytes.count, count: 3))
  }

  @Test(
    "more than UNIX_FDS says close the connection, as do fewer", arguments: [(0, 1), (1, 0), (1, 2), (2, 1)] as [(UInt32, Int)])
  func mismatch(claimed: UInt32, arrived: Int) throws {
    let rig = try Rig.open(Self.open)
    rig.feed(claimed == 0 ? .call(9, "Do") : Self.call(9, fds: claimed), descriptors: arrived, from: .client)
    #expect(rig.close == .descriptorMismatch(.client))
    #expect(rig.bus.descriptors.count + rig.closed.count + rig.held(.client).count == arrived)
    #expect(arrived >= claimed || rig.bus.stream.isEmpty)
  }

  @Test("a denied message has to be as honest", arguments: [(0, 1), (1, 0), (1, 2), (2, 1)] as [(UInt32, Int)])
  func deniedMismatch(claimed: UInt32, arrived: Int) throws {
    let rig = try Rig.open(Self.open)
    rig.feed(claimed == 0 ? .call(9, "Undo") : Self.call(9, "Undo", fds: claimed), descriptors: arrived, from: .client)
    #expect(rig.close == .descriptorMismatch(.client))
  }

  @Test("one that is over a limit, too", arguments: [(1, 0), (2, 1)] as [(UInt32, Int)], [1, 1 << 20])
  func overLimitMismatch(item: (claimed: UInt32, arrived: Int), cut: Int) throws {
    let rig = try Rig.open(Self.open) { $0.limits.messageBytesMax = 1000 }
    let message = Self.call(9, fds: item.claimed).padded(to: 2000).bytes
    for start in stride(from: 0, to: message.count, by: cut) {
      rig.feed(Array(message[start..<min(start + cut, message.count)]), descriptors: start == 0 ? item.arrived : 0, from: .client)
    }
    #expect(rig.close == .descriptorMismatch(.client))
  }

  @Test("may come with any byte of their message", arguments: [0, 1, 15, 16, 100, 150, 199])
  func late(place: Int) throws {
    let rig = try Rig.open(Self.open)
    let message = Self.call(9, fds: 2).padded(to: 200).bytes
    rig.feed(Array(message[..<place]), from: .client)
    rig.feed(Array(message[place...]), descriptors: 2, from: .client)
    #expect(rig.bus.stream == message)
    #expect(rig.bus.descriptors.map(\.id) == [1, 2])
  }

  @Test("also with any byte of a denied one, and a byte at a time", arguments: [0, 1, 15, 16, 100, 150, 199])
  func lateDenied(place: Int) throws {
    let rig = try Rig.open(Self.open)
    let message = Self.call(9, "Undo", fds: 2).padded(to: 200).bytes
    for (i, byte) in message.enumerated() { rig.feed([byte], descriptors: i == place ? 2 : 0, from: .client) }
    rig.feed(Self.call(10, fds: 1), descriptors: 1, from: .client)
    #expect(rig.closed == [1, 2])
    #expect(rig.bus.descriptors.map(\.id) == [3])
  }

  @Test(
    "as many as fds-per-message-max pass, one more is answered LimitsExceeded", arguments: [16, 17, 200] as [UInt32],
    [true, false])
  func perMessage(count: UInt32, late: Bool) throws {
    let rig = try Rig.open(Self.open) { $0.limits.descriptorsPerMessageMax = 16 }
    let message = Self.call(9, fds: count).padded(to: 1000).bytes
    rig.feed(Array(message[..<500]), descriptors: late ? 0 : Int(count), from: .client)
    rig.feed(Array(message[500...]), descriptors: late ? Int(count) : 0, from: .client)
    #expect(rig.bus.descriptors.count == (count == 16 ? 16 : 0))
    #expect(rig.closed.count == (count == 16 ? 0 : Int(count)))
    #expect(rig.close == nil)
    if count > 16 { #expect(try rig.summary(.client) == ["LimitsExceeded<-9"]) }
  }

  @Test("that never come do not keep a message for ever: only as much of it is kept as may be looked into")
  func neverLate() throws {
    let rig = try Rig.open(Self.open) { $0.limits.inspectBytesMax = 4096 }
    let message = Self.call(9, fds: 1).padded(to: 100_000).bytes
    for start in stride(from: 0, to: message.count, by: 1000) {
      rig.feed(Array(message[start..<min(start + 1000, message.count)]), from: .client)
      #expect(rig.unconsumed(.client) <= 4096)
      if rig.close != nil { break }
    }
    #expect(rig.bus.stream.isEmpty)
    #expect(rig.close == .descriptorMismatch(.client))
  }

  @Test("of a header that is too long to be read are closed with it")
  func longHeader() throws {
    let rig = try Rig.open(Self.open) { $0.limits.headerBytesMax = 1024 }
    let message = Draft.call(9, "Do", path: "/" + String(repeating: "p", count: 3000)).changed { $0.unixFDs = 2 }.bytes
    rig.feed(Array(message[..<1000]), descriptors: 2, from: .client)
    rig.feed(Array(message[1000...]), from: .client)
    rig.feed(Self.call(10, fds: 1), descriptors: 1, from: .client)
    #expect(rig.closed == [1, 2])
    #expect(rig.bus.descriptors.map(\.id) == [3])
  }

  @Test("from a client that did not agree to pass any close the connection")
  func notAgreed() throws {
    let rig = try Rig.open(Self.open, unixFDs: false)
    rig.feed(Self.call(9, fds: 1), descriptors: 1, from: .client)
    #expect(rig.close == .descriptorMismatch(.client))
    #expect(rig.bus.stream.isEmpty)
  }

  @Test("are not asked for where the client takes none: a bus that sends some all the same closes the connection")
  func notTaken() throws {
    let rig = try Rig.open(Self.open, unixFDs: false)
    rig.feed(.call(9, to: Rig.name, "Do", from: ":1.5").changed { $0.unixFDs = 1 }, descriptors: 1, from: .bus)
    #expect(rig.close == .descriptorMismatch(.bus) && rig.client.stream.isEmpty)
  }

  @Test("have no place in the handshake")
  func handshake() {
    let rig = Rig()
    rig.feed("\0AUTH EXTERNAL\r\n", from: .client)
    rig.feed(Array("DATA\r\n".utf8), descriptors: 1, from: .client)
    #expect(rig.close == .descriptorMismatch(.client))
  }

  @Test("may come with a message that is pipelined behind BEGIN and Hello")
  func pipelined() throws {
    let rig = Rig(Self.open)
    let call = Self.call(2, fds: 1)
    rig.feed(
      Array("\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n".utf8) + Draft.driver(1, "Hello").bytes + call.bytes,
      descriptors: 1, from: .client)
    #expect(rig.wait(.client) == "bus" && rig.close == nil && rig.bus.descriptors.isEmpty)
    rig.answerHandshake()
    #expect(rig.bus.forwarded == Draft.driver(1, "Hello").bytes + call.bytes)
    #expect(rig.bus.descriptors.map(\.id) == [1])
  }

  @Test("max-fds of a rule is kept", arguments: [0, 1, 2] as [UInt32])
  func ruleMax(count: UInt32) throws {
    let rig = try Rig.open([rule(.outgoing, "*", ["Do"], maxFDs: 1)])
    rig.feed(count == 0 ? .call(9, "Do") : Self.call(9, fds: count), descriptors: Int(count), from: .client)
    #expect(rig.bus.stream.isEmpty == (count > 1))
  }
}

@Suite("messages whose descriptors the kernel refuses")
struct WithdrawTests {
  private let fd = DescriptorTests.call(9, fds: 1)

  @Test("a call is answered instead, and its serial is free")
  func call() throws {
    let rig = try Rig.open(DescriptorTests.open)
    rig.feed(fd, descriptors: 1, from: .client)
    let (count, verdict) = rig.withdraw(fd.bytes, from: .client)
    #expect(count == fd.bytes.count && verdict == Verdict(.deny, .descriptorsRefused))
    #expect(try rig.summary(.client) == ["LimitsExceeded<-9"])
    rig.feed(.answer(3, to: 9, of: Rig.name, from: ":1.5"), from: .bus)
    #expect(try rig.messages(.client).count == 1)
    rig.feed(fd, descriptors: 1, from: .client)
    #expect(try rig.messages(.client).count == 1)
  }

  @Test("a call that asks for no answer leaves another call of the same serial alone")
  func noReply() throws {
    let rig = try Rig.open(DescriptorTests.open)
    rig.feed(.call(9, to: ":1.5", "Do"), from: .client)
    let silent = fd.changed { $0.flags = Draft.noReply }
    rig.feed(silent, descriptors: 1, from: .client)
    _ = rig.withdraw(silent.bytes, from: .client)
    #expect(rig.client.stream.isEmpty)
    rig.feed(.answer(3, to: 9, of: Rig.name, from: ":1.5"), from: .bus)
    #expect(try rig.summary(.client) == ["return<-9"])
  }

  @Test("the rest of one that is under way is skipped, and the gate may speak")
  func partial() throws {
    let rig = try Rig.open(DescriptorTests.open)
    let message = fd.padded(to: 1000).bytes
    rig.feed(Array(message[..<400]), descriptors: 1, from: .client)
    #expect(!rig.isAtMessageBoundary(to: .bus))
    #expect(rig.withdraw(Array(message[..<400]), from: .client).count == 400)
    #expect(rig.isAtMessageBoundary(to: .bus))
    let forwarded = rig.bus.forwarded
    rig.feed(Array(message[400...]), from: .client)
    #expect(rig.bus.forwarded == forwarded)
    rig.feed(.call(10, "Do"), from: .client)
    #expect(rig.bus.forwarded == forwarded + Draft.call(10, "Do").bytes)
    #expect(rig.close == nil)
  }

  @Test("the rest is skipped without regard to what was skipped before it")
  func stale() throws {
    let rig = try Rig.open(DescriptorTests.open) { $0.limits.headerBytesMax = 1024 }
    let long = Draft.call(8, "Do", path: "/" + String(repeating: "p", count: 3000)).bytes
    rig.feed(long, from: .client)
    let message = fd.padded(to: 1000).bytes
    rig.feed(Array(message[..<400]), descriptors: 1, from: .client)
    _ = rig.withdraw(Array(message[..<400]), from: .client)
    let closed = rig.closed
    rig.feed(Array(message[400...]) + DescriptorTests.call(10, fds: 1).bytes, descriptors: 1, from: .client)
    #expect(rig.closed == closed && rig.bus.descriptors.count == 2)
    // What comes too many does not go with it unseen.
    let other = try Rig.open(DescriptorTests.open) { $0.limits.headerBytesMax = 1024 }
    other.feed(long, from: .client)
    other.feed(Array(message[..<400]), descriptors: 1, from: .client)
    _ = other.withdraw(Array(message[..<400]), from: .client)
    other.feed(Array(message[400...]), descriptors: 1, from: .client)
    #expect(other.close == .descriptorMismatch(.client))
  }

  @Test("only the first message of what was to be sent is withdrawn")
  func firstOnly() throws {
    let rig = try Rig.open(DescriptorTests.open)
    let both = fd.bytes + Draft.call(10, "Do").bytes
    rig.feed(both, descriptors: 1, from: .client)
    #expect(rig.withdraw(both, from: .client).count == fd.bytes.count)
    #expect(try rig.summary(.client) == ["LimitsExceeded<-9"])
  }

  @Test("an incoming call is answered instead, and the client's answer to it does not pass")
  func incomingCall() throws {
    let rig = try Rig.open(DescriptorTests.open)
    let call = Draft.call(9, to: Rig.name, "Do", from: ":1.5").changed { $0.unixFDs = 1 }
    rig.feed(call, descriptors: 1, from: .bus)
    _ = rig.withdraw(call.bytes, from: .bus)
    #expect(try rig.summary(.bus) == ["LimitsExceeded<-9"])
    rig.feed(.answer(3, to: 9, of: ":1.5"), from: .client)
    #expect(try rig.messages(.bus).count == 1)
  }

  @Test("who waits for an answer is told in its place", arguments: [Side.client, .bus])
  func answer(side: Side) throws {
    let rig = try Rig.open(DescriptorTests.open)
    let isOutgoing = side == .client
    rig.feed(.call(9, to: isOutgoing ? Rig.name : ":1.5", "Do", from: isOutgoing ? ":1.5" : nil), from: side.other)
    let answer = Draft.answer(3, to: 9, of: isOutgoing ? ":1.5" : Rig.name, from: isOutgoing ? nil : ":1.5").changed {
      $0.unixFDs = 1
    }
    rig.feed(answer, descriptors: 1, from: side)
    rig.forget()
    _ = rig.withdraw(answer.bytes, from: side)
    let error = try rig.message(side.other)
    #expect(error.errorName == "org.freedesktop.DBus.Error.LimitsExceeded" && error.replySerial == 9)
    #expect(error.destination == (isOutgoing ? ":1.5" : Rig.name))
    #expect(
      error.text
        == "busgate: \(isOutgoing ? "outgoing" : "incoming") answer has file descriptors, of which the kernel lets no more be under way"
    )
  }
}
