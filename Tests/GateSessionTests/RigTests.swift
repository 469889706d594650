// The rig itself: that it gets a session open, and that its messages are what they say.

import DBusWire
import Testing

@testable import GateSession

@Suite("the rig")
struct RigTests {
  @Test("a draft reads back as what it says, in both byte orders", arguments: [ByteOrder.little, .big])
  func drafts(order: ByteOrder) throws {
    var draft = Draft.call(77, to: ":1.5", "Do", path: "/a/b", from: ":1.9")
    draft.order = order
    draft = draft.with([.string("hello")])
    let (messages, rest) = try Arrived.all(in: draft.bytes + draft.bytes + [1])
    #expect(messages.count == 2 && rest == [1])
    let read = messages[1]
    #expect(read.order == order && read.serial == 77 && read.type == .methodCall)
    #expect(
      [read.path, read.interface, read.member, read.destination, read.sender] == ["/a/b", "org.foo.Bar", "Do", ":1.5", ":1.9"])
    #expect(read.text == "hello")
  }

  @Test("a padded draft has the length that was asked for", arguments: [200, 201, 4096])
  func padded(count: Int) { #expect(Draft.call(1, "Do").padded(to: count).bytes.count == count) }

  @Test(
    "a session opens, whether or not its bus is known, with and without descriptors", arguments: [true, false], [true, false])
  func opens(isKnown: Bool, unixFDs: Bool) throws {
    let rig = Rig(known: isKnown ? Rig.identity : nil)
    rig.feed("\0AUTH EXTERNAL\r\nDATA\r\n\(unixFDs ? "NEGOTIATE_UNIX_FD\r\n" : "")BEGIN\r\n", from: .client)
    #expect(rig.requests == (isKnown ? [] : .identifyBus) && rig.bus.stream.isEmpty)
    let expected = "DATA\r\nOK \(Rig.guid)\r\n\(unixFDs ? "AGREE_UNIX_FD\r\n" : "")"
    #expect(String(decoding: rig.client.stream, as: UTF8.self) == expected)
    rig.feed(.driver(1, "Hello"), from: .client)
    let toBus = "\0AUTH EXTERNAL 353030\r\n\(unixFDs ? "NEGOTIATE_UNIX_FD\r\n" : "")BEGIN\r\n"
    #expect(rig.bus.stream == Array(toBus.utf8) + Draft.driver(1, "Hello").bytes)
    rig.answerHandshake(unixFDs: unixFDs ? true : nil)
    #expect(rig.isOpen)
    rig.feed(.answer(1, to: 1, of: Rig.name, from: "org.freedesktop.DBus").with([.string(Rig.name)]), from: .bus)
    #expect(rig.name == ":1.7")
  }
}
