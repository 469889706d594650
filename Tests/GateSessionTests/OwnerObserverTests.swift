// The gate's observer beside a bus that is played: what it asks, what it makes of the answers, and who can mislead or end it.

import DBusWire
import GatePolicy
import GateSimulation
import Testing

@testable import GateSession

/// A bus with owners, and an observer on it.
private final class PlayedBus {
  static let driver = "org.freedesktop.DBus"
  static let name = ":1.2"

  let directory: OwnerDirectory
  var observer: OwnerObserver
  var owners: [String: String]
  /// How many bytes come in one piece.
  var cut = Int.max
  var refusals: Set<String> = []
  private(set) var asked: [String] = []
  private(set) var news = 0
  private(set) var failure: OwnerObserver.Failure?
  private var unread: [UInt8] = []
  private var serial: UInt32 = 0

  init(_ policies: [Policy], owners: [String: String] = [:], ownersMax: Int = 100, cut: Int = .max) {
    directory = OwnerDirectory(ownersMax: ownersMax)
    observer = OwnerObserver(directory, ownUID: 500, over: .unix)!
    self.owners = owners
    self.cut = cut
    directory.awaitAnswers()
    observer.follow(policies)
    let said = take()
    #expect(String(decoding: said.prefix(1), as: UTF8.self) == "\0")
    deliver(Array("OK \(Rig.guid)\r\n".utf8))
  }

  /// What the observer has said since the last time.
  func take() -> [UInt8] {
    let said = observer.output.withBytes { Array($0) }
    observer.output.removeFirst(said.count)
    return said
  }

  /// These bytes come from the bus.
  func deliver(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty && failure == nil {
      unread += rest.prefix(cut)
      rest = rest.dropFirst(cut)
      let bytes = unread
      let progress = observer.receive(bytes.span.bytes)
      unread.removeFirst(progress.consumed)
      if progress.isNews { news += 1 }
      failure = progress.failure
    }
  }

  func deliver(_ draft: Draft) { deliver(draft.changed { $0.serial = 9 }.bytes) }

  func tell(_ name: String, _ owner: String, from sender: String = driver) {
    let signal = Draft.signal(
      9, interface: Self.driver, "NameOwnerChanged", path: "/org/freedesktop/DBus", from: sender)
    deliver(signal.with([.string(name), .string(""), .string(owner)]))
  }

  /// Answers what was asked, Hello first, until nothing more is asked.
  func answer(_ hello: Bool = true) throws {
    if hello {
      deliver(Draft.answer(9, to: 1, of: Self.name, from: Self.driver).with([.string(Self.name)]))
    }
    while failure == nil, case let messages = try Arrived.all(in: take()).messages, !messages.isEmpty {
      for message in messages where message.member != "Hello" {
        asked.append("\(message.member) \(message.text)")
        if message.flags & Draft.noReply == 0 { answer(message) }
      }
    }
  }

  private func answer(_ call: Arrived) {
    let answer = Draft.answer(9, to: call.serial, of: Self.name, from: Self.driver)
    let error = Draft.error(9, to: call.serial, of: Self.name, from: Self.driver)
    if refusals.contains(call.member) { return deliver(error) }
    switch call.member {
    case "ListNames": deliver(answer.with([.strings([Self.driver, Self.name] + owners.keys.sorted())]))
    case "GetNameOwner": deliver(owners[call.text].map { answer.with([.string($0)]) } ?? error)
    default: deliver(answer)
    }
  }

  /// Patterns of the names that `unique` owns, and ever owned, in `policy`; nil: nothing is known.
  func peer(_ unique: String, _ policy: Policy) -> (owned: [String], ever: [String])? {
    guard directory.knowledge(for: policy.identity) == .known else { return nil }
    var peer = MessagePeer()
    let bytes = Array(unique.utf8)
    directory.describe(&peer, named: bytes.span.bytes, for: policy.identity)
    if peer.mayOwnMore { return nil }
    func texts(_ set: NameSet) -> [String] {
      var texts: [String] = []
      set.forEach { texts.append(policy.namePatterns[$0].description) }
      return texts.sorted()
    }
    return (texts(peer.owned), texts(peer.everOwned))
  }
}

private func policy(_ names: String...) -> Policy {
  Policy(rules: names.map { rule(.outgoing, name: $0) }, busName: "SESSION")
}

@Suite("names: the gate's observer")
struct OwnerObserverTests {
  @Test("it asks who owns the names of all policies, and tells each in its own numbers", arguments: [1, 7, Int.max])
  func policies(cut: Int) throws {
    let (one, other) = (policy("org.a", "org.b"), policy("org.b", "org.c"))
    let bus = PlayedBus([one, other], owners: ["org.b": ":1.5", "org.c": ":1.6"], cut: cut)
    #expect(bus.directory.knowledge(for: one.identity) == .awaited)
    try bus.answer()
    #expect(bus.asked.filter { $0.hasPrefix("GetNameOwner") }.sorted() == ["a", "b", "c"].map { "GetNameOwner org.\($0)" })
    #expect(bus.asked.filter { $0.hasPrefix("AddMatch") }.count == 4, "one for each name, one for who leaves")
    #expect(bus.peer(":1.5", one)?.owned == ["org.b"])
    #expect(bus.peer(":1.5", other)?.owned == ["org.b"])
    #expect(bus.peer(":1.6", one)?.owned == [])
    #expect(bus.peer(":1.6", other)?.owned == ["org.c"])
    bus.tell("org.b", ":1.6")
    #expect(bus.peer(":1.5", one)?.owned == [] && bus.peer(":1.5", one)?.ever == ["org.b"])
    #expect(bus.peer(":1.6", other)?.owned == ["org.b", "org.c"])
  }

  @Test("who leaves the bus is forgotten")
  func leave() throws {
    let policy = policy("org.a")
    let bus = PlayedBus([policy], owners: ["org.a": ":1.5"])
    try bus.answer()
    bus.tell("org.a", "")
    #expect(bus.peer(":1.5", policy)?.owned == ["org.a"], "it was the last")
    bus.tell(":1.5", "")
    #expect(bus.peer(":1.5", policy)?.ever == [])
  }

  @Test("only the bus says who owns a name, and what peers say is passed over whatever it is", arguments: [1, 100, Int.max])
  func peers(cut: Int) throws {
    let policy = policy("org.a")
    let bus = PlayedBus([policy], cut: cut)
    try bus.answer()
    let before = bus.news
    bus.tell("org.a", ":1.5", from: ":1.5")
    bus.deliver(.call(9, to: PlayedBus.name, "Do", from: ":1.6"))
    bus.deliver(Draft.answer(9, to: 3, of: PlayedBus.name, from: ":1.6").with([.string(":1.6")]))
    bus.deliver(.call(9, to: PlayedBus.name, "Do", path: "/" + String(repeating: "long", count: 30_000), from: ":1.6"))
    bus.deliver(Draft.signal(9, "Sig", from: ":1.6").padded(to: 200_000))
    bus.deliver(Draft.signal(9, "Sig", from: ":1.6").changed { $0.interface = "no interface" })
    #expect(bus.failure == nil && bus.news == before)
    #expect(bus.peer(":1.5", policy)?.owned == [])
    bus.tell("org.a", ":1.5")
    #expect(bus.peer(":1.5", policy)?.owned == ["org.a"])
  }

  @Test("a bus that refuses what owners cannot be followed without is given up", arguments: ["AddMatch", "ListNames"])
  func refusals(member: String) throws {
    let bus = PlayedBus([policy("org.a.*")])
    bus.refusals = [member]
    try bus.answer()
    #expect(bus.failure == .refused(member))
  }

  @Test("a bus that refuses Hello, authentication, or says no D-Bus is given up")
  func noBus() throws {
    let hello = PlayedBus([policy("org.a")])
    hello.deliver(.error(9, to: 1, of: nil, from: PlayedBus.driver))
    #expect(hello.failure == .refused("Hello"))
    let garbage = PlayedBus([policy("org.a")])
    garbage.deliver([UInt8](repeating: 0x78, count: 64))
    #expect(garbage.failure == .malformed(.byteOrder(0)))
    let directory = OwnerDirectory(ownersMax: 1)
    var observer = OwnerObserver(directory, ownUID: 500, over: .unix)!
    let rejection = Array("REJECTED EXTERNAL\r\n".utf8)
    let progress = observer.receive(rejection.span.bytes)
    guard case .handshake(.busRejected) = progress.failure else {
      Issue.record("\(progress)")
      return
    }
  }

  @Test("another policy asks for what is new, and what was known stays known meanwhile")
  func reload() throws {
    let (old, wider, other) = (policy("org.a"), policy("org.a", "org.b"), policy("org.a"))
    let bus = PlayedBus([old], owners: ["org.a": ":1.5", "org.b": ":1.6"])
    try bus.answer()
    bus.observer.follow([old, wider, other])
    #expect(bus.peer(":1.5", old)?.owned == ["org.a"])
    #expect(bus.peer(":1.5", other)?.owned == ["org.a"], "it asks for the same")
    #expect(bus.directory.knowledge(for: wider.identity) == .awaited)
    bus.tell("org.a", ":1.7")
    #expect(bus.peer(":1.7", old)?.owned == ["org.a"], "what happens meanwhile counts")
    bus.owners["org.a"] = ":1.7"
    try bus.answer(false)
    #expect(bus.peer(":1.6", wider)?.owned == ["org.b"])
    #expect(bus.peer(":1.5", wider)?.owned == [] && bus.peer(":1.5", wider)?.ever == ["org.a"], "a deny rule still knows")
  }

  @Test("more owners than owners-max: nothing is known until all are asked for and there are fewer", arguments: [false, true])
  func limit(isMore: Bool) throws {
    let policy = policy("org.*")
    let bus = PlayedBus([policy], owners: ["org.a": ":1.5", "org.b": ":1.6"], ownersMax: 2)
    try bus.answer()
    #expect(bus.peer(":1.9", policy) != nil)
    bus.tell("org.c", ":1.7")
    #expect(bus.peer(":1.9", policy) == nil)
    if isMore { bus.owners["org.c"] = ":1.7" }
    bus.observer.follow([policy])
    #expect(bus.peer(":1.9", policy) == nil, "not before the answers")
    try bus.answer(false)
    #expect((bus.peer(":1.9", policy) == nil) == isMore)
  }

  @Test("a connection that is lost leaves nothing known; on the same bus what unique names once owned is known again")
  func loss() throws {
    let policy = policy("org.a")
    let bus = PlayedBus([policy], owners: ["org.a": ":1.5"])
    try bus.answer()
    bus.directory.lose()
    #expect(bus.directory.knowledge(for: policy.identity) == .unknown)
    bus.owners = [:]
    bus.observer = OwnerObserver(bus.directory, ownUID: 500, over: .unix)!
    _ = bus.take()
    bus.deliver(Array("OK \(Rig.guid)\r\n".utf8))
    #expect(bus.directory.knowledge(for: policy.identity) == .unknown)
    try bus.answer()
    #expect(bus.peer(":1.5", policy)?.ever == ["org.a"] && bus.peer(":1.5", policy)?.owned == [])
    bus.directory.lose()
    bus.observer = OwnerObserver(bus.directory, ownUID: 500, over: .unix)!
    _ = bus.take()
    bus.deliver(Array("OK \(String(repeating: "f", count: 32))\r\n".utf8))
    try bus.answer()
    #expect(bus.peer(":1.5", policy)?.ever == [], "another bus gives its names anew")
  }

  @Test("an observer that has not heard everything knows nothing")
  func behind() throws {
    let policy = policy("org.a")
    let bus = PlayedBus([policy])
    try bus.answer()
    bus.directory.isBehind = true
    #expect(bus.directory.knowledge(for: policy.identity) == .unknown)
    bus.directory.isBehind = false
    #expect(bus.directory.knowledge(for: policy.identity) == .known)
    bus.directory.isCatchingUp = true
    #expect(bus.directory.knowledge(for: policy.identity) == .awaited)
    bus.directory.lose()
    #expect(bus.directory.knowledge(for: policy.identity) == .unknown, "nobody waits for what is lost")
  }
}
