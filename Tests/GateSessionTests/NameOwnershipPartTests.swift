// What one session knows of who owns which name, by itself: what its own connection was told, and what the gate's observer was.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

/// The part, held where #expect does not copy it.
private final class Held {
  let directory: OwnerDirectory
  let policy: Policy
  private let settings: SessionSettings
  private var ownership: NameOwnership

  init(
    _ names: NameRules? = names(talk: ["org.foo"], see: ["org.see"]), _ directory: OwnerDirectory = OwnerDirectory(ownersMax: 16)
  ) {
    var settings = SessionSettings()
    settings.limits.ownersMax = 16
    (self.settings, self.directory) = (settings, directory)
    policy = Policy(rules: [], names: names, busName: "SESSION")
    ownership = NameOwnership(settings, directory)
  }

  var isFollowing: Bool { ownership.isFollowing }
  var isKnown: Bool { ownership.isKnown }
  var isJudgedByName: Bool { ownership.isJudgedByName }
  var isToBeSettled: Bool { ownership.isToBeSettled }
  var hasObserver: Bool { ownership.hasObserver }
  var isIncomplete: Bool { ownership.isIncomplete }
  var knowledge: OwnerDirectory.Knowledge { ownership.knowledge(for: policy) }

  func begin(keepsNames: Bool = false) { ownership.begin(subscribed: [], keepsNames: keepsNames) }
  func follow() { ownership.follow(policy.namePatterns, all: false, keeping: []) }
  func stop() { ownership.stop() }
  func settle(asksByName: Bool = true) { ownership.settle(asksByName: asksByName) }
  func noteCall() { ownership.noteCall() }
  func noteReply() { ownership.noteReply() }
  func takeCall() -> NameWatch.OwnCall? { ownership.takeCall() }
  func directoryChanged() { ownership.directoryChanged() }
  func setBus(_ bus: BusIdentity?) { ownership.setBus(bus) }

  /// Names are followed, and all that is to be asked is answered.
  func open(keepsNames: Bool = false) {
    begin(keepsNames: keepsNames)
    follow()
    while takeCall() != nil {}
    settle()
  }

  private func read<R>(_ name: String, _ body: (RawSpan, UInt64) -> R) -> R {
    let bytes = Array(name.utf8)
    return body(bytes.span.bytes, settings.seed.hash(bytes.span.bytes))
  }

  private func hash(_ name: String) -> UInt64 { read(name) { $1 } }

  func setOwner(_ owner: String, of name: String) {
    read(name) { ownership.setOwner(hash(owner), of: $1, $0, policy.patterns(matching: $0)) }
  }

  func release(_ name: String) { ownership.release(hash(name)) }
  func leave(_ unique: String) -> Bool { ownership.leave(hash(unique)) }
  func markVisible(_ unique: String) -> Bool { ownership.markVisible(hash(unique)) }
  func noteCalled(_ name: String, _ policy: Policy? = nil) {
    read(name) { bytes, _ in ownership.noteCalled(bytes, policy ?? self.policy) }
  }
  func peer(_ unique: String) -> Peer { Peer(ownership.peer(hash(unique)), policy) }
  func receiver(_ unique: String, _ policy: Policy? = nil) -> Peer? {
    read(unique) { ownership.receiver($0, $1, policy ?? self.policy) }.map { Peer($0, self.policy) }
  }
  func level(_ name: String) -> NameLevel {
    read(name) {
      name.hasPrefix(":") ? ownership.level(ofUnique: $1, policy) : ownership.level(ofWellKnown: $0, $1, policy)
    }
  }
  func isObserver(_ name: String) -> Bool { read(name) { bytes, _ in ownership.isObserver(bytes) } }
  func wellKnownName(of unique: String) -> String? {
    ownership.wellKnownName(of: hash(unique)).map { String(decoding: $0, as: UTF8.self) }
  }

  func ownMatch(_ hash: UInt64) -> NameWatch.OwnMatch? { ownership.ownMatch(hash) }
  func noteOwnMatchAgain(_ hash: UInt64) { ownership.noteOwnMatchAgain(hash) }
  func giveUpOwnMatch(_ hash: UInt64) { ownership.giveUpOwnMatch(hash) }

  func subscribe(_ rule: String, _ hash: UInt64) throws {
    let bytes = Array(rule.utf8)
    ownership.subscribe(try MatchRule(parsing: bytes.span.bytes), hash)
  }
  func unsubscribe(_ hash: UInt64) { ownership.unsubscribe(hash) }
  func isSubscribed(_ name: String) -> Bool {
    read(name) { bytes, _ in
      read(":1.9") { owner, _ in ownership.isSubscribed(name: bytes, oldOwner: RawSpan(), newOwner: owner) }
    }
  }
}

/// A peer in words.
private struct Peer: Equatable {
  var owned: [String] = []
  var ever: [String] = []
  var mayOwnMore = false

  init(_ owned: [String] = [], ever: [String]? = nil, mayOwnMore: Bool = false) {
    (self.owned, self.ever, self.mayOwnMore) = (owned, ever ?? owned, mayOwnMore)
  }

  init(_ peer: MessagePeer, _ policy: Policy) {
    func texts(_ set: NameSet) -> [String] {
      policy.namePatterns.indices.filter { set.contains($0) }.map {
        String(decoding: policy.namePatterns[$0].text, as: UTF8.self)
      }
    }
    self.init(texts(peer.owned), ever: texts(peer.everOwned), mayOwnMore: peer.mayOwnMore)
  }
}

@Suite("who owns which name, for one client")
struct NameOwnershipPartTests {
  // MARK: What is known

  @Test("where nothing asks for names nothing is followed, and all that is asked is known")
  func nothing() {
    let held = Held(nil)
    #expect(!held.isFollowing && held.isKnown && !held.isJudgedByName && !held.isToBeSettled)
    #expect(held.takeCall() == nil && held.peer(":1.5") == Peer())
  }

  @Test("from the beginning on rules are asked by name, and nothing is known before all answers are in")
  func following() {
    let held = Held()
    held.begin()
    #expect(held.isFollowing && !held.isKnown && held.isJudgedByName)
    held.follow()
    var count = 0
    while held.takeCall() != nil {
      held.noteCall()
      count += 1
    }
    #expect(count == 5, "three match rules, two names")
    for _ in 0..<count {
      #expect(!held.isToBeSettled)
      held.noteReply()
    }
    #expect(held.isToBeSettled && !held.isKnown && held.peer(":1.5").mayOwnMore)
    held.settle()
    #expect(held.isKnown && held.isJudgedByName && !held.isToBeSettled && !held.peer(":1.5").mayOwnMore)
    held.follow()
    #expect(!held.isKnown, "another policy asks anew")
  }

  @Test("a policy that asks for no names is judged without them, once all is known")
  func noLongerByName() {
    let held = Held()
    held.open()
    held.settle(asksByName: false)
    #expect(held.isKnown && !held.isJudgedByName && held.isFollowing)
  }

  @Test("of a monitor it will never be known, and what was is forgotten")
  func stopped() {
    let held = Held()
    held.open()
    held.setOwner(":1.5", of: "org.foo")
    held.stop()
    #expect(!held.isKnown && held.isJudgedByName && held.peer(":1.5") == Peer(mayOwnMore: true))
  }

  @Test("who owns a name is who had it last; who had it before is remembered until it leaves")
  func owners() {
    let held = Held()
    held.open()
    held.setOwner(":1.5", of: "org.foo")
    #expect(held.peer(":1.5") == Peer(["org.foo"]) && held.peer(":1.6") == Peer())
    held.release("org.foo")
    #expect(held.peer(":1.5") == Peer(["org.foo"]), "it was the last")
    held.setOwner(":1.6", of: "org.foo")
    #expect(held.peer(":1.5") == Peer([], ever: ["org.foo"]) && held.peer(":1.6") == Peer(["org.foo"]))
    let left = [held.leave(":1.5"), held.leave(":1.5"), held.leave(":1.99")]
    #expect(left == [true, false, false] && held.peer(":1.5") == Peer())
  }

  // MARK: What the client may know

  @Test("a name is as far open as the policy says, and its owners, the former ones too, as far as the name")
  func levels() {
    let held = Held()
    held.open()
    for (owner, name) in [(":1.5", "org.foo"), (":1.6", "org.see"), (":1.7", "org.foo")] { held.setOwner(owner, of: name) }
    let expected: [(String, NameLevel)] = [
      ("org.foo", .talk), ("org.see", .see), ("org.hidden", .none), (":1.5", .talk), (":1.6", .see), (":1.7", .talk),
      (":1.9", .none),
    ]
    for (name, level) in expected { #expect(held.level(name) == level, "\(name)") }
  }

  @Test("who sent the client something can be seen until it leaves; to say so twice is no news")
  func visible() {
    let held = Held()
    held.open()
    let news = [held.markVisible(":1.9"), held.markVisible(":1.9")]
    #expect(news == [true, false])
    #expect(held.level(":1.9") == .see && held.level(":1.8") == .none)
    #expect(held.leave(":1.9"))
    #expect(held.level(":1.9") == .none)
  }

  @Test("all unique names can be seen where the names say so, and no well-known one for that", arguments: [true, false])
  func sloppy(isSloppy: Bool) {
    let held = Held(names(talk: ["org.foo"], sloppy: isSloppy))
    held.open()
    #expect(held.level(":1.9") == (isSloppy ? .see : .none) && held.level("org.hidden") == .none)
  }

  @Test("a name that was called as a rule allowed is no secret; what was open before is as it was")
  func called() {
    let held = Held()
    held.open()
    for name in ["org.called", "org.see"] { held.noteCalled(name) }
    #expect(held.level("org.called") == .talk && held.level("org.see") == .see && held.level("org.other") == .none)
    held.noteCalled("org.other", Policy(rules: [], busName: "SESSION"))
    #expect(held.level("org.other") == .none, "where the policy has no names nothing is noted")
    held.follow()
    #expect(held.level("org.called") == .none, "another policy begins anew")
  }

  // MARK: Who gets a message

  @Test("it is the directory that says what a receiver owns; what the connection was told it once owned counts besides")
  func receiver() {
    let held = Held()
    held.open()
    held.setOwner(":1.5", of: "org.foo")
    held.directory.play([held.policy], owners: ["org.foo": ":1.6"])
    #expect(held.knowledge == .known)
    #expect(held.receiver(":1.5") == Peer([], ever: ["org.foo"]))
    #expect(held.receiver(":1.6") == Peer(["org.foo"]))
    #expect(held.receiver(":1.7") == Peer())
  }

  @Test("what the directory is about to be told is waited for; what it will not be told leaves everything open to doubt")
  func unknown() {
    let held = Held()
    held.open()
    #expect(held.knowledge == .unknown && held.receiver(":1.5") == Peer(mayOwnMore: true))
    held.directory.follow([held.policy], isConnected: false)
    held.directory.awaitAnswers()
    #expect(held.knowledge == .awaited && held.receiver(":1.5") == nil)
    held.directory.lose()
    #expect(held.knowledge == .unknown && held.receiver(":1.5") == Peer(mayOwnMore: true))
  }

  @Test("a directory of another bus says nothing of this one", arguments: [true, false, nil])
  func otherBus(isSame: Bool?) {
    let held = Held()
    held.open()
    held.directory.startAnew(at: Rig.identity)
    held.directory.play([held.policy], owners: ["org.foo": ":1.6"])
    let other = BusIdentity(guid: InlineArray(repeating: UInt8(ascii: "f")), unixFDs: true)
    held.setBus(isSame.map { $0 ? Rig.identity : other })
    #expect(held.knowledge == (isSame == false ? .unknown : .known), "before either has said who it is nothing is in doubt")
  }

  @Test("a policy that asks for no names needs no directory")
  func withoutDirectory() {
    let held = Held()
    held.open()
    #expect(held.receiver(":1.5", Policy(rules: [], busName: "SESSION")) == Peer())
  }

  // MARK: The observer

  @Test("the observer's name is a copy, renewed when the directory says that it changed")
  func observer() {
    let held = Held()
    #expect(!held.hasObserver)
    let name = Array(":1.66".utf8)
    held.directory.nameObserver(name.span.bytes)
    #expect(!held.hasObserver)
    held.directoryChanged()
    #expect(held.hasObserver && held.isObserver(":1.66") && !held.isObserver(":1.6"))
    #expect(Held(nil, held.directory).isObserver(":1.66"), "who comes later knows it")
    held.directory.lose()
    held.directoryChanged()
    #expect(!held.hasObserver && !held.isObserver(":1.66"))
  }

  // MARK: Match rules

  @Test("a match rule of the gate's own is there from its call on, as often as it was added, until it is given up")
  func ownMatches() throws {
    let held = Held()
    held.begin()
    held.follow()
    guard case .addMatch(let hash, _) = held.takeCall() else {
      Issue.record("match rules come first")
      return
    }
    #expect(held.ownMatch(hash)?.count == 1 && held.ownMatch(hash &+ 1) == nil)
    held.noteOwnMatchAgain(hash)
    #expect(held.ownMatch(hash)?.count == 2)
    held.giveUpOwnMatch(hash)
    #expect(held.ownMatch(hash) == nil)
  }

  @Test("the client is subscribed to what one of its rules asks for, until it has removed it")
  func subscriptions() throws {
    let held = Held()
    held.begin()
    #expect(!held.isSubscribed("org.foo"))
    try held.subscribe("member='NameOwnerChanged',arg0='org.foo'", 1)
    try held.subscribe("member='NameOwnerChanged',arg0='org.bar'", 2)
    #expect(held.isSubscribed("org.foo") && held.isSubscribed("org.bar") && !held.isSubscribed("org.baz"))
    held.unsubscribe(2)
    #expect(held.isSubscribed("org.foo") && !held.isSubscribed("org.bar"))
    held.unsubscribe(1)
    #expect(!held.isSubscribed("org.foo"))
  }

  // MARK: The log

  @Test("names are kept in bytes if the log may want them", arguments: [true, false])
  func inBytes(keepsNames: Bool) {
    let held = Held()
    held.open(keepsNames: keepsNames)
    held.setOwner(":1.5", of: "org.foo")
    #expect(held.wellKnownName(of: ":1.5") == (keepsNames ? "org.foo" : nil) && held.wellKnownName(of: ":1.6") == nil)
  }
}
