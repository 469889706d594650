// Names: what the client has of them is counted, and follows what the bus answers.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

private let driver = "org.freedesktop.DBus"

@Suite("names of the client")
struct ClientNamesTests {
  private func request(_ serial: UInt32, _ name: String) -> Draft { .driver(serial, "RequestName", .string(name), .number(4)) }
  private func release(_ serial: UInt32, _ name: String) -> Draft { .driver(serial, "ReleaseName", .string(name)) }
  private func open(_ namesMax: Int) throws -> Rig {
    try Rig.open {
      $0.opensNames = true
      $0.limits.namesMax = namesMax
    }
  }

  @Test("as many as names-max says; asking again for the same is no further one; releasing makes room")
  func limit() throws {
    let rig = try open(2)
    for (serial, name) in [(2, "org.a.A"), (3, "org.b.B"), (4, "org.a.A"), (5, "org.c.C")] as [(UInt32, String)] {
      rig.feed(request(serial, name), from: .client)
    }
    #expect(try rig.summary(.client) == ["LimitsExceeded<-5"])
    rig.feed(release(6, "org.b.B").bytes + request(7, "org.c.C").bytes, from: .client)
    #expect(try rig.summary(.bus) == ["RequestName", "RequestName", "RequestName", "ReleaseName", "RequestName"])
  }

  @Test(
    "a name that the bus did not give makes room, one that it gave or queues for does not",
    arguments: [
      (Draft.answer(5, to: 2, of: Rig.name, from: driver).with([.number(1)]), false),
      (.answer(5, to: 2, of: Rig.name, from: driver).with([.number(2)]), false),
      (.answer(5, to: 2, of: Rig.name, from: driver).with([.number(3)]), true),
      (.answer(5, to: 2, of: Rig.name, from: driver).with([.number(4)]), false),
      (.answer(5, to: 2, of: Rig.name, from: driver), false),
      (.error(5, to: 2, of: Rig.name, from: driver), true),
    ], [1, 1000])
  func answers(item: (answer: Draft, makesRoom: Bool), cut: Int) throws {
    let rig = try open(1)
    rig.feed(request(2, "org.a.A"), from: .client)
    let answer = item.answer.bytes
    for start in stride(from: 0, to: answer.count, by: cut) {
      rig.feed(Array(answer[start..<min(start + cut, answer.count)]), from: .bus)
    }
    #expect(rig.client.stream == answer)
    rig.forget()
    rig.feed(request(3, "org.b.B"), from: .client)
    #expect(rig.bus.stream.isEmpty == !item.makesRoom)
  }

  @Test("an answer for a name that was given back meanwhile says nothing of the name that is asked for again")
  func lateAnswer() throws {
    let rig = try open(1)
    rig.feed(request(2, "org.a.A").bytes + release(3, "org.a.A").bytes + request(4, "org.a.A").bytes, from: .client)
    rig.feed(Draft.answer(5, to: 2, of: Rig.name, from: driver).with([.number(3)]), from: .bus)
    rig.forget()
    rig.feed(request(6, "org.b.B"), from: .client)
    #expect(try rig.summary(.client) == ["LimitsExceeded<-6"])
  }

  @Test("a bus that takes what it refused at first leaves the name held, and the other way round")
  func twoAnswers() throws {
    let rig = try open(1)
    rig.feed(request(2, "org.a.A").bytes + request(3, "org.a.A").bytes, from: .client)
    rig.feed(Draft.answer(5, to: 2, of: Rig.name, from: driver).with([.number(3)]), from: .bus)
    rig.feed(Draft.answer(6, to: 3, of: Rig.name, from: driver).with([.number(2)]), from: .bus)
    rig.feed(request(4, "org.b.B"), from: .client)
    #expect(try rig.summary(.client).last == "LimitsExceeded<-4")
    rig.feed(request(7, "org.a.A"), from: .client)
    rig.feed(Draft.answer(7, to: 7, of: Rig.name, from: driver).with([.number(3)]), from: .bus)
    rig.forget()
    rig.feed(request(8, "org.b.B"), from: .client)
    #expect(try rig.summary(.bus) == ["RequestName"])
  }

  @Test("other arguments than a name and its flags are InvalidArgs")
  func arguments() throws {
    let rig = try open(2)
    rig.feed(.driver(2, "RequestName", .string("org.a.A")), from: .client)
    rig.feed(.driver(3, "RequestName", .number(1), .string("org.a.A")), from: .client)
    rig.feed(.driver(4, "ReleaseName", .string("org.a.A"), .number(1)), from: .client)
    #expect(rig.bus.stream.isEmpty)
    #expect(try rig.summary(.client) == ["InvalidArgs<-2", "InvalidArgs<-3", "InvalidArgs<-4"])
  }
}
