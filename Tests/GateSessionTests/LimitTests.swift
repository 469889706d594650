// What is over a limit is passed over, and its sender told.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("limits")
struct LimitTests {
  static let open = [rule(.outgoing), rule(.incoming)]

  @Test(
    "a header longer than header-bytes-max is passed over, answered, and followed by the next message",
    arguments: [1, 7, 100, 1 << 20])
  func header(cut: Int) throws {
    let rig = try Rig.open(Self.open) { $0.limits.headerBytesMax = 1024 }
    let fits = Draft.call(8, "Do", path: "/" + String(repeating: "p", count: 850))
    let long = Draft.call(9, "Do", path: "/" + String(repeating: "p", count: 1500)).with([.string("body")])
    let next = Draft.call(10, "Do")
    let sent = fits.bytes + long.bytes + next.bytes
    for start in stride(from: 0, to: sent.count, by: cut) {
      rig.feed(Array(sent[start..<min(start + cut, sent.count)]), from: .client)
    }
    #expect(rig.bus.stream == fits.bytes + next.bytes)
    let error = try rig.message(.client)
    #expect(error.errorName == "org.freedesktop.DBus.Error.LimitsExceeded" && error.replySerial == 9)
    #expect(error.text == "busgate: outgoing call -.- on - has a header longer than header-bytes-max")
    #expect(rig.close == nil)
  }

  @Test("a message of message-bytes-max passes, a byte more is passed over and answered", arguments: [0, 1], [13, 1 << 20])
  func message(excess: Int, cut: Int) throws {
    let rig = try Rig.open(Self.open) { $0.limits.messageBytesMax = 4096 }
    let message = Draft.call(9, "Do").padded(to: 4096 + excess).bytes
    let sent = message + Draft.call(10, "Do").bytes
    for start in stride(from: 0, to: sent.count, by: cut) {
      rig.feed(Array(sent[start..<min(start + cut, sent.count)]), from: .client)
    }
    #expect(rig.bus.stream == (excess == 0 ? message : []) + Draft.call(10, "Do").bytes)
    if excess > 0 { #expect(try rig.summary(.client) == ["LimitsExceeded<-9"]) } else { #expect(rig.client.stream.isEmpty) }
  }

  @Test("an answer that is over a limit is answered for: to the client that waits for it")
  func incomingAnswer() throws {
    let rig = try Rig.open(Self.open) { $0.limits.messageBytesMax = 4096 }
    rig.feed(.call(9, to: ":1.5", "Do"), from: .client)
    for sender in [":1.6", ":1.5", ":1.5"] {
      rig.feed(.answer(3, to: 9, of: Rig.name, from: sender).padded(to: 5000), from: .bus)
    }
    let error = try rig.message(.client)
    #expect(
      error.errorName == "org.freedesktop.DBus.Error.LimitsExceeded" && error.replySerial == 9 && error.destination == Rig.name)
    #expect(error.text == "busgate: incoming answer is larger than message-bytes-max")
  }

  @Test("an answer that is over a limit is answered for: to the peer that waits for it")
  func outgoingAnswer() throws {
    let rig = try Rig.open(Self.open) { $0.limits.messageBytesMax = 4096 }
    rig.feed(.call(9, to: Rig.name, "Do", from: ":1.5"), from: .bus)
    rig.forget()
    for _ in 1...2 { rig.feed(.answer(3, to: 9, of: ":1.5").padded(to: 5000), from: .client) }
    let error = try rig.message(.bus)
    #expect(error.replySerial == 9 && error.destination == ":1.5" && error.sender == "")
    #expect(error.text == "busgate: outgoing answer is larger than message-bytes-max")
    #expect(rig.client.stream.isEmpty)
  }

  @Test("a body of any length streams through: none of it is kept")
  func cutThrough() throws {
    let rig = try Rig.open(Self.open)
    let message = Draft.call(9, "Do").padded(to: 2_000_000).bytes
    for start in stride(from: 0, to: message.count, by: 65_536) {
      rig.feed(Array(message[start..<min(start + 65_536, message.count)]), from: .client)
      #expect(rig.unconsumed(.client) == 0)
    }
    #expect(rig.bus.stream == message)
  }
}
