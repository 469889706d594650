// Names that the client has, or has asked for, and that a reload forbids.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let driver = "org.freedesktop.DBus"

private func policy(_ rules: [GatewayRule]) -> Policy { Policy(rules: rules, busName: "SESSION") }

@Suite("names that a reload forbids")
struct NameReleaseTests {
  private static let allowing = rule(.outgoing, driver, ["RequestName"])

  /// A client that asked for `org.a.A`, and how the bus answered.
  private func open(_ answer: UInt32?, isAcquired: Bool = false) throws -> Rig {
    let rig = try Rig.open()
    rig.policy = policy([Self.allowing])
    rig.feed(.driver(2, "RequestName", .string("org.a.A"), .number(0)), from: .client)
    if let answer { rig.feed(.answer(2, to: 2, of: Rig.name, from: driver).with([.number(answer)]), from: .bus) }
    if isAcquired { rig.feed(told("NameAcquired"), from: .bus) }
    rig.forget()
    rig.reload(policy([]))
    return rig
  }

  private func told(_ member: String) -> Draft {
    .signal(3, to: Rig.name, interface: driver, member, path: "/org/freedesktop/DBus", from: driver).with([.string("org.a.A")])
  }

  /// The bus answers the gate's ReleaseName.
  private func release(_ rig: Rig, _ answer: UInt32?) throws {
    let asked = try #require(try rig.messages(.bus).last)
    let reply = answer.map { Draft.answer(4, to: asked.serial, of: Rig.name, from: driver).with([.number($0)]) }
    rig.feed(reply ?? .error(4, to: asked.serial, of: Rig.name, from: driver), from: .bus)
  }

  @Test("are released at once, whatever the bus has answered yet", arguments: [nil, 1, 2, 4] as [UInt32?])
  func released(answer: UInt32?) throws {
    let asked = try open(answer).message(.bus)
    #expect((asked.member, asked.text, asked.destination) == ("ReleaseName", "org.a.A", driver))
  }

  @Test("are not released if the bus had refused them")
  func notHeld() throws { #expect(try open(3).bus.stream.isEmpty) }

  @Test("the client is told once, by the bus or else by the gate", arguments: [(true, true), (true, false), (false, false)])
  func once(isAcquired: Bool, isSignalFirst: Bool) throws {
    let rig = try open(isAcquired ? 1 : 2, isAcquired: isAcquired)
    if isAcquired && isSignalFirst { rig.feed(told("NameLost"), from: .bus) }
    try release(rig, 1)
    if isAcquired && !isSignalFirst { rig.feed(told("NameLost"), from: .bus) }
    let lost = try rig.message(.client)
    #expect((lost.member, lost.text, lost.sender, lost.destination) == ("NameLost", "org.a.A", driver, Rig.name))
    #expect(rig.client.own.isEmpty == isAcquired)
  }

  @Test("what the client never had it is not told of", arguments: [2, 3] as [UInt32])
  func never(answer: UInt32) throws {
    let rig = try open(nil)
    try release(rig, answer)
    #expect(rig.client.stream.isEmpty && rig.close == nil)
  }

  @Test("a bus that does not release what the client owns ends the connection", arguments: [true, false])
  func refused(isAcquired: Bool) throws {
    let rig = try open(nil, isAcquired: isAcquired)
    try release(rig, nil)
    #expect(rig.close == (isAcquired ? .nameNotReleased : nil))
  }

  @Test("the gate's own NameLost waits for room, and nothing is lost for that")
  func room() throws {
    let rig = try open(2)
    rig.policy = policy([])
    rig.stall(.client)
    for serial in 10..<400 as Range<UInt32> { rig.feed(.call(serial, "Do"), from: .client) }
    try release(rig, 1)
    #expect(rig.wait(.bus) == "localOutput(GateSession.Side.client)")
    rig.unstall(.client)
    #expect(try rig.messages(.client).filter { $0.member == "NameLost" }.count == 1)
  }

  @Test("a name longer than any name is, or none, is the bus's to refuse", arguments: [0, 256])
  func noName(count: Int) throws {
    let rig = try Rig.open { $0.limits.namesMax = 0 }
    rig.policy = policy([Self.allowing])
    rig.feed(.driver(2, "RequestName", .string(String(repeating: "a", count: count)), .number(0)), from: .client)
    rig.reload(policy([]))
    #expect(try rig.summary(.bus) == ["RequestName"])
  }
}
