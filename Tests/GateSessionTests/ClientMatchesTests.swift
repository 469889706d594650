// Match rules: what the client has of them is counted, and follows what the bus answers.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let driver = "org.freedesktop.DBus"

private func add(_ serial: UInt32, _ text: String) -> Draft { .driver(serial, "AddMatch", .string(text)) }
private func remove(_ serial: UInt32, _ text: String) -> Draft { .driver(serial, "RemoveMatch", .string(text)) }

@Suite("match rules")
struct ClientMatchesTests {
  @Test(
    "a rule that asks to eavesdrop is denied in whatever spelling (GHSA-vjp5-hjfm-7677)",
    arguments: [
      "eavesdrop=true", "eavesdrop='true'", "type='signal',eavesdrop=true", "eavesdrop =true", " eavesdrop\t=true",
      "eavesdrop=tr'ue'",
      "eavesdrop=false,eavesdrop=true", "eavesdrop=maybe", "eavesdrop='true',type='signal'",
    ])
  func eavesdrop(text: String) throws {
    let rig = try Rig.open([rule(.outgoing)])
    rig.feed(add(9, text), from: .client)
    #expect(rig.bus.stream.isEmpty)
    #expect(try rig.message(.client).errorName == "org.freedesktop.DBus.Error.AccessDenied")
  }

  @Test(
    "one that cannot be parsed is MatchRuleInvalid",
    arguments: ["type", "type='signal", "foo='bar'", "type='signal',type='signal'", "=", "path='no'"])
  func invalid(text: String) throws {
    for draft in [add(9, text), remove(9, text)] {
      let rig = try Rig.open()
      rig.feed(draft, from: .client)
      #expect(rig.bus.stream.isEmpty)
      #expect(try rig.message(.client).errorName == "org.freedesktop.DBus.Error.MatchRuleInvalid")
    }
  }

  @Test(
    "other arguments than one string are InvalidArgs",
    arguments: [[], [Draft.Value.number(1)], [.string("type='signal'"), .number(1)]])
  func arguments(values: [Draft.Value]) throws {
    let rig = try Rig.open()
    for member in ["AddMatch", "RemoveMatch"] {
      rig.feed(.driver(member == "AddMatch" ? 9 : 10, member).with(values), from: .client)
    }
    #expect(rig.bus.stream.isEmpty)
    #expect(try rig.summary(.client) == ["InvalidArgs<-9", "InvalidArgs<-10"])
  }

  @Test("the key eavesdrop is denied with every value, in RemoveMatch too", arguments: ["true", "false", "'false'", "''", "0"])
  func eavesdropKey(value: String) throws {
    let rig = try Rig.open()
    rig.feed(add(2, "eavesdrop=\(value)").bytes + remove(3, "type='signal', eavesdrop =\(value)").bytes, from: .client)
    #expect(rig.bus.stream.isEmpty)
    #expect(try rig.summary(.client) == ["AccessDenied<-2", "AccessDenied<-3"])
  }

  @Test("what is removed that was not added the bus is asked about")
  func removeAsOften() throws {
    let rig = try Rig.open { $0.limits.matchesMax = 2 }
    rig.feed(remove(2, "type='signal'"), from: .client)
    rig.feed(add(3, "type='signal',path='/a'").bytes + add(4, "path=/a,type=signal").bytes, from: .client)
    for serial in 5...7 as ClosedRange<UInt32> { rig.feed(remove(serial, " type =signal,path='/a'"), from: .client) }
    #expect(try rig.messages(.bus).map(\.serial) == [2, 3, 4, 5, 6, 7])
    rig.feed(add(8, "path=/a").bytes + add(9, "path=/b").bytes + add(10, "path=/c").bytes, from: .client)
    #expect(try rig.summary(.client) == ["LimitsExceeded<-10"], "removing more than there were makes no more room")
  }

  @Test("as many fit as matches-max says; removing and refusing make room")
  func limit() throws {
    let rig = try Rig.open { $0.limits.matchesMax = 2 }
    for (serial, text) in [(2, "path=/a"), (3, "path=/a"), (4, "path=/c")] as [(UInt32, String)] {
      rig.feed(add(serial, text), from: .client)
    }
    #expect(try rig.summary(.client) == ["LimitsExceeded<-4"])
    rig.feed(remove(5, "path=/a").bytes + add(6, "path=/c").bytes + add(7, "path=/d").bytes, from: .client)
    #expect(try rig.summary(.client) == ["LimitsExceeded<-4", "LimitsExceeded<-7"])
    rig.feed(.error(5, to: 6, of: Rig.name, from: driver), from: .bus)
    rig.forget()
    rig.feed(add(8, "path=/d"), from: .client)
    #expect(try rig.summary(.bus) == ["AddMatch"])
  }

  @Test("one that was denied for its serial was not added")
  func deniedForSerial() throws {
    let rig = try Rig.open { $0.limits.matchesMax = 1 }
    for message in [Draft.driver(2, "ListNames"), add(2, "path=/a"), add(3, "path=/b")] { rig.feed(message, from: .client) }
    #expect(try rig.summary(.client) == ["InvalidArgs<-2"])
    #expect(try rig.summary(.bus) == ["ListNames", "AddMatch"])
  }

  @Test(
    "a call larger than inspect-bytes-max is not looked into, whether it comes whole or in pieces", arguments: [1, 100, 10_000],
    [true, false])
  func inspectMax(cut: Int, fits: Bool) throws {
    let message = add(9, "path='/\(String(repeating: "a", count: 500))'").bytes
    let rig = try Rig.open { $0.limits.inspectBytesMax = fits ? message.count : message.count - 1 }
    for start in stride(from: 0, to: message.count, by: cut) {
      rig.feed(Array(message[start..<min(start + cut, message.count)]), from: .client)
    }
    #expect(rig.bus.stream == (fits ? message : []))
    if !fits { #expect(try rig.summary(.client) == ["LimitsExceeded<-9"]) }
  }

  @Test("descriptors have no place in a call that is looked into")
  func descriptors() throws {
    let rig = try Rig.open()
    rig.feed(add(9, "path=/a").changed { $0.unixFDs = 1 }, descriptors: 1, from: .client)
    #expect(rig.bus.stream.isEmpty && rig.closed == [1])
    #expect(try rig.summary(.client) == ["InvalidArgs<-9"])
  }
}
