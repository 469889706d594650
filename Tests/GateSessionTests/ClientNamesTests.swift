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

  // MARK: By themselves

  /// The part, held where #expect does not copy it.
  private final class Held {
    private var names: ClientNames

    init(_ configure: (inout SessionSettings) -> Void = { _ in }) {
      var settings = SessionSettings()
      configure(&settings)
      names = ClientNames(settings)
    }

    var isEmpty: Bool { names.isEmpty }
    func owns(_ hash: UInt64) -> Bool { names.owns(hash) }
    func acquire(_ hash: UInt64) { names.acquire(hash) }
    func lose(_ hash: UInt64) { names.lose(hash) }
    func reasonAgainst(_ hash: UInt64) -> Verdict.Reason? { names.reasonAgainst(requesting: hash) }
    func number(_ hash: UInt64) -> UInt64 { names.number(of: hash) }
    func noteReply(_ number: UInt64, _ isHeld: Bool?) { names.noteReply(number, isHeld: isHeld) }
    func release(_ hash: UInt64) { names.release(hash) }

    func request(_ hash: UInt64, wantsReply: Bool = true) {
      let (name, path) = (Array("org.n\(hash)".utf8), Array("/".utf8))
      names.request(hash, name.span.bytes, path: path.span.bytes, wantsReply: wantsReply)
    }

    /// Takes all away but these.
    func takeAway(but kept: [UInt64] = []) -> [String] {
      names.takeAway { kept.contains($0.hash) }.map { String(decoding: $0.name, as: UTF8.self) }
    }

    /// Whether the client was told since of a name that was taken.
    func takeRelease(_ hash: UInt64) -> Bool { names.takeRelease(hash).isTold }
  }

  @Test("a name is owned from NameAcquired to NameLost, and no other name is")
  func acquired() {
    let held = Held()
    held.acquire(5)
    #expect(held.owns(5) && !held.owns(6))
    held.lose(6)
    #expect(held.owns(5))
    held.acquire(5)
    held.lose(5)
    #expect(!held.owns(5), "told twice, it is one name")
  }

  @Test("as many are remembered as names-max says; one that is lost makes room")
  func acquiredMax() {
    let held = Held { $0.limits.namesMax = 2 }
    for name in 1...3 as ClosedRange<UInt64> { held.acquire(name) }
    #expect(held.owns(1) && held.owns(2) && !held.owns(3))
    held.lose(1)
    held.acquire(3)
    #expect(held.owns(3))
  }

  @Test("a further name may not be asked for where the client has names-max, or its gate names-total; one it has may")
  func reasons() {
    let total = GateCount(max: 3)
    let (one, other) = (Held { ($0.limits.namesMax, $0.namesTotal) = (2, total) }, Held { $0.namesTotal = total })
    #expect(one.reasonAgainst(1) == nil && one.isEmpty)
    for name in 1...2 as ClosedRange<UInt64> { one.request(name) }
    #expect(one.reasonAgainst(3) == .names && one.reasonAgainst(2) == nil && !one.isEmpty)
    other.request(1)
    #expect(other.reasonAgainst(2) == .namesTotal && other.reasonAgainst(1) == nil && total.count == 3)
    one.release(1)
    #expect(one.reasonAgainst(3) == nil && other.reasonAgainst(2) == nil && total.count == 2)
  }

  @Test(
    "what the bus answered says whether the name is the client's still",
    arguments: [(true, true, false), (false, true, true), (nil, true, true), (nil, false, false), (false, false, true)]
      as [(Bool?, Bool, Bool)])
  func replies(isHeld: Bool?, wantsReply: Bool, isGone: Bool) {
    let held = Held()
    let number = held.number(1)
    held.request(1)
    if !wantsReply { held.request(1, wantsReply: false) }
    held.noteReply(number, isHeld)
    #expect(held.isEmpty == isGone)
  }

  @Test("what is taken away is to be released, once; what stays is not")
  func takenAway() {
    let held = Held()
    for name in 1...3 as ClosedRange<UInt64> { held.request(name) }
    #expect(held.takeAway(but: [2]) == ["org.n1", "org.n3"] && !held.isEmpty)
    #expect(held.takeAway(but: [2]) == [])
    #expect(held.takeAway() == ["org.n2"] && held.isEmpty)
  }

  @Test("of a name that is taken it is known whether the client was told, of each release by itself", arguments: 0...2)
  func told(count: Int) {
    let held = Held()
    for _ in 1...2 {
      held.request(1)
      #expect(held.takeAway() == ["org.n1"])
    }
    held.lose(2)
    for _ in 0..<count { held.lose(1) }
    let told = [held.takeRelease(1), held.takeRelease(1)]
    #expect(told == [count > 0, count > 1], "the bus answers in order")
  }
}
