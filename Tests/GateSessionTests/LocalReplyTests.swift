// The errors that the gate says itself, read back as a client would.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("errors of the gate")
struct LocalReplyTests {
  @Test("a denied call is told by whom, to whom, about what, in its own byte order", arguments: [ByteOrder.little, .big])
  func outgoing(order: ByteOrder) throws {
    let rig = try Rig.open()
    rig.feed(.call(0x0102_0304, "Do", path: "/org/foo").changed { $0.order = order }, from: .client)
    let error = try rig.message(.client)
    #expect(error.order == order)
    #expect(error.type == .error && error.flags == Draft.noReply)
    #expect(error.replySerial == 0x0102_0304)
    #expect(error.sender == "org.freedesktop.DBus" && error.destination == Rig.name)
    #expect(error.errorName == "org.freedesktop.DBus.Error.AccessDenied")
    #expect(error.text == "busgate: outgoing call org.foo.Bar.Do on /org/foo is not allowed by the SESSION policy")
    #expect(error.signature == "s")
  }

  @Test("a caller on the bus is told through the bus, which says from whom", arguments: [ByteOrder.little, .big])
  func incoming(order: ByteOrder) throws {
    let rig = try Rig.open()
    rig.feed(.call(77, to: Rig.name, "Do", from: ":1.5").changed { $0.order = order }, from: .bus)
    let error = try rig.message(.bus)
    #expect(error.order == order && error.flags == Draft.noReply && error.replySerial == 77)
    #expect(error.sender == "" && error.destination == ":1.5")
    #expect(error.errorName == "org.freedesktop.DBus.Error.AccessDenied")
    #expect(error.text == "busgate: incoming call org.foo.Bar.Do on /foo is not allowed by the SESSION policy")
    #expect(rig.client.stream.isEmpty)
  }

  @Test("serials are counted down from the highest")
  func serials() throws {
    let rig = try Rig.open()
    for serial in 2...4 as ClosedRange<UInt32> { rig.feed(.call(serial, "Do"), from: .client) }
    #expect(try rig.messages(.client).map(\.serial) == [.max, .max - 1, .max - 2])
  }

  @Test("a part that is not there is a dash")
  func absent() throws {
    let rig = try Rig.open()
    rig.feed(.call(9, interface: nil, "Do"), from: .client)
    #expect(try rig.message(.client).text == "busgate: outgoing call -.Do on /foo is not allowed by the SESSION policy")
  }

  @Test("a part is cut at 255 bytes", arguments: [254, 255, 256, 5000])
  func cut(count: Int) throws {
    let path = "/" + String(repeating: "p", count: count - 1)
    let rig = try Rig.open()
    rig.feed(.call(9, "Do", path: path), from: .client)
    let part = count <= 255 ? path : path.prefix(255) + "…"
    #expect(
      try rig.message(.client).text == "busgate: outgoing call org.foo.Bar.Do on \(part) is not allowed by the SESSION policy")
  }

  @Test("the longest error there can be fits where answers are built, in both directions")
  func longest() throws {
    let long = "a." + String(repeating: "b", count: 253)
    for direction in [Side.client, .bus] {
      let rig = Rig()
      rig.authenticate()
      let name = ":1." + String(repeating: "7", count: 252)
      rig.feed(.driver(1, "Hello"), from: .client)
      rig.feed(.answer(1, to: 1, of: name, from: "org.freedesktop.DBus").with([.string(name)]), from: .bus)
      rig.forget()
      let sender = ":1." + String(repeating: "8", count: 252)
      var call = Draft.call(
        9, to: direction == .client ? long : name, interface: long, String(repeating: "m", count: 255),
        path: "/" + String(repeating: "p", count: 70_000), from: direction == .bus ? sender : nil)
      call.unixFDs = 200
      rig.feed(call, descriptors: 200, from: direction)
      let error = try rig.message(direction)
      #expect(error.destination == (direction == .client ? name : sender))
      #expect(error.bytes.count <= LocalReply.byteCountMax)
    }
  }

  @Test("before the client has a name, an error has no destination")
  func nameless() throws {
    let rig = Rig()
    rig.authenticate()
    rig.feed(.call(9, "Do"), from: .client)
    #expect(try rig.message(.client).destination == "")
  }
}
