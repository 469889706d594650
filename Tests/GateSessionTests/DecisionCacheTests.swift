// What a session remembers of the last kinds of message: what it is good for, when it holds no more, and that a session can be told to
// remember nothing, as the simulation's twins are.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("what a session remembers of messages")
struct DecisionCacheTests {
  @Test("messages like the last ones go by without a look, unless nothing is remembered", arguments: [true, false])
  func remembers(remembers: Bool) throws {
    let rig = Rig([rule(.incoming)])
    if !remembers { rig.session.rememberNothing() }
    rig.authenticate()
    try rig.hello()
    var passed = 0
    rig.onDealt = { _, count, wait in if wait == nil { passed += count } }
    for serial in 1...20 { rig.feed(.signal(UInt32(serial), "Sig", from: ":1.5"), from: .bus) }
    #expect(try rig.messages(.client).count == 20)
    #expect((passed > 0) == remembers)
  }

  @Test("a run of calls that pass ends when the owner of a denied name is met", arguments: [true, false])
  func runs(isOutgoing: Bool) throws {
    let bus = try NamedBus(
      [
        rule(.outgoing), rule(.incoming), rule(.outgoing, deny: true, name: "org.bad"),
        rule(.incoming, deny: true, name: "org.bad"),
      ])
    func passes() throws -> Bool {
      isOutgoing ? try bus.call(":1.5", flags: Draft.noReply) == "passes" : try bus.delivers(.signal(0, "Sig", from: ":1.5"))
    }
    for _ in 0..<5 { #expect(try passes()) }
    bus.change("org.bad", to: ":1.5")
    for _ in 0..<5 { #expect(try !passes()) }
  }

  @Test("a run of signals ends when their sender is no longer the owner")
  func runOfSignals() throws {
    let bus = try NamedBus([rule(.incoming, name: "org.foo")], owners: ["org.foo": ":1.5"])
    for _ in 0..<5 { #expect(try bus.delivers(.signal(0, "Sig", from: ":1.5"))) }
    bus.change("org.foo", to: ":1.9")
    for _ in 0..<5 { #expect(try !bus.delivers(.signal(0, "Sig", from: ":1.5"))) }
    for _ in 0..<5 { #expect(try bus.delivers(.signal(0, "Sig", from: ":1.9"))) }
  }

  // MARK: By itself

  /// A cache, asked as a session asks it.
  private final class Cache {
    private var cache = DecisionCache()
    private var header = MessageHeader()

    func turnOff() { cache.turnOff() }
    var lastMessageByteCount: Int { cache.lastMessageByteCount }

    /// What is remembered of the kind of the message at the front of `bytes`.
    func find(_ bytes: [UInt8], isOther: Bool = false) -> (decision: CachedDecision, reply: [UInt8])? {
      guard let found = unsafe cache.find(bytes.span.bytes, at: 0, isOther: isOther) else { return nil }
      return unsafe (found.entry.pointee.decision, found.entry.pointee.reply)
    }

    func find(_ draft: Draft, isOther: Bool = false) -> (decision: CachedDecision, reply: [UInt8])? {
      find(draft.bytes, isOther: isOther)
    }

    /// A message comes of which nothing is remembered.
    func read(_ draft: Draft) throws {
      let bytes = draft.bytes
      try cache.read(bytes.span.bytes, frame: MessageFrame(bytes.span.bytes), into: &header)
    }

    /// It is decided on, and may be remembered.
    func store(_ draft: Draft, _ action: Verdict.Action = .allow, epoch: UInt64 = 1, reply: [UInt8]? = []) {
      let bytes = draft.bytes
      guard let found = unsafe cache.find(bytes.span.bytes, at: 0, isOther: false) else {
        Issue.record("nothing is remembered of that header")
        return
      }
      var decision = Decision(Verdict(action, .rule))
      decision.validity = .whileNothingChanges
      unsafe DecisionCache.store(decision, in: found.entry, descriptors: 0, epoch: epoch, isLogged: false, reply: reply)
    }

    /// The first messages of a connection, of kinds that do not come again.
    func begin() throws { for number in 1...4 { try read(.call(1, "First\(number)")) } }
  }

  @Test("the first four messages of a direction leave no memory; the header of the fifth is remembered")
  func firstMessages() throws {
    let cache = Cache()
    for _ in 1...4 {
      try cache.read(.call(1, "Do"))
      #expect(cache.find(.call(2, "Do")) == nil && cache.lastMessageByteCount == 0)
    }
    let fifth = Draft.call(1, "Do").with([.string("much")])
    try cache.read(fifth)
    #expect(cache.find(fifth.changed { $0.serial = 2 }) != nil && cache.lastMessageByteCount == fifth.bytes.count)
  }

  @Test("a header is remembered before anything is decided about it; a decision only when it is stored")
  func stored() throws {
    let cache = Cache()
    try cache.begin()
    try cache.read(.call(1, "Do"))
    #expect(cache.find(.call(2, "Do"))?.decision.use == CachedDecision.Use.none)
    cache.store(.call(2, "Do"))
    #expect(cache.find(.call(3, "Do"))?.decision.use == .forward)
    #expect(cache.find(.call(4, "Undo")) == nil && cache.find(.call(5, to: ":1.5", "Do")) == nil)
  }

  @Test(
    "two kinds that take turns are both remembered; a third takes the place of the one that was not the last",
    arguments: [true, false])
  func twoKinds(isOther: Bool) throws {
    let cache = Cache()
    try cache.begin()
    for member in ["One", "Two"] {
      try cache.read(.call(1, member))
      cache.store(.call(1, member))
    }
    for _ in 1...3 {
      for member in ["One", "Two"] { #expect(cache.find(.call(2, member), isOther: isOther)?.decision.use == .forward) }
    }
    try cache.read(.call(3, "Three"))
    #expect(cache.find(.call(4, "Two"))?.decision.use == .forward && cache.find(.call(4, "One")) == nil)
    #expect(cache.find(.call(4, "Three"))?.decision.use == CachedDecision.Use.none)
  }

  @Test("with another header neither the decision nor the error of the one before is left")
  func cleared() throws {
    let cache = Cache()
    try cache.begin()
    for member in ["One", "Two"] {
      try cache.read(.call(1, member))
      cache.store(.call(1, member), .deny, reply: [1, 2, 3])
      #expect(cache.find(.call(2, member))?.decision.use == .refuse && cache.find(.call(2, member))?.reply == [1, 2, 3])
    }
    for member in ["Three", "Four"] {
      try cache.read(.call(1, member))
      let found = try #require(cache.find(.call(2, member)))
      #expect(found.decision.use == .none && found.reply.isEmpty)
    }
  }

  @Test("an error that is not known is not said: such a message is told of anew")
  func unknownReply() throws {
    let cache = Cache()
    try cache.begin()
    try cache.read(.call(1, "Do"))
    for (reply, use) in [([9], .refuse), (nil, .decided), ([], .refuse)] as [([UInt8]?, CachedDecision.Use)] {
      cache.store(.call(1, "Do"), .deny, reply: reply)
      let found = try #require(cache.find(.call(2, "Do")))
      #expect(found.decision.use == use && found.reply == reply ?? [])
    }
  }

  @Test("a message whose header is not all there is none of a remembered kind")
  func partial() throws {
    let cache = Cache()
    try cache.begin()
    try cache.read(.call(1, "Do"))
    cache.store(.call(1, "Do"))
    let bytes = Draft.call(2, "Do").bytes
    #expect(cache.find(bytes) != nil && cache.find(bytes + [1, 2]) != nil)
    #expect(cache.find(bytes.dropLast()) == nil && cache.find([]) == nil)
  }

  @Test("a cache that is turned off remembers nothing, however many messages there are")
  func off() throws {
    let cache = Cache()
    cache.turnOff()
    for _ in 1...20 { try cache.read(.call(1, "Do")) }
    #expect(cache.find(.call(2, "Do")) == nil && cache.lastMessageByteCount == 0)
  }

  @Test("a name that was called is no secret any more, to the log of audit mode neither")
  func auditOfCalledName() throws {
    let rules = [rule(.outgoing, "org.foo.Bar", ["Do"])]
    let rig = try NamedBus(rules, names(talk: ["org.other"])) { $0.mode = .audit }.rig
    for serial in 10..<20 as Range<UInt32> { rig.feed(.call(serial, "Undo"), from: .client) }
    #expect(rig.decisions.map(\.verdict.reason) == Array(repeating: .hidden, count: 10))
    rig.forget()
    rig.feed(.call(20, "Do"), from: .client)
    rig.feed(.call(21, "Undo"), from: .client)
    #expect(rig.decisions.map(\.verdict.reason) == [.noRule])
  }
}
