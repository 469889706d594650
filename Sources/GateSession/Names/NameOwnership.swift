// What a session knows of who owns which name: what its own connection to the bus was told (NameWatch), and what the gate's observer was told
// (OwnerDirectory), which no client can hold up. Answers what rules ask of a peer, and what the client may know of a name.

import DBusWire
import GatePolicy

/// Who owns which name, for one client.
struct NameOwnership: ~Copyable {
  private let directory: OwnerDirectory
  private let seed: SeededHash
  private let ownersMax: Int
  /// What names ask for; nil as long as no policy of this session had any.
  private var watch: NameWatch?
  /// The bus that the client is told of.
  private var bus: BusIdentity?
  /// The gate's observer, to which no client may talk; empty: there is none. A copy, since it is looked at for every message.
  private var observerName: [UInt8] = []
  /// Whether it is known who owns what, as far as anybody asks.
  private(set) var isKnown = true
  /// Whether rules are asked by name: names are followed, or will be once it is known what there is.
  private(set) var isJudgedByName = false

  /// - Parameter directory: What the gate's observer was told.
  init(_ settings: SessionSettings, _ directory: OwnerDirectory) {
    self.directory = directory
    seed = settings.seed
    ownersMax = settings.limits.ownersMax
    observerName = directory.observerName
  }

  /// ``OwnerDirectory`` says something else than before.
  mutating func directoryChanged() { observerName = directory.observerName }

  /// The bus has said who it is.
  mutating func setBus(_ bus: BusIdentity?) { self.bus = bus }

  // MARK: Following

  /// Whether names were ever followed here.
  @inline(__always)
  var isFollowing: Bool { watch != nil }

  /// From now on names are followed.
  ///
  /// - Parameters:
  ///   - matches: The match rules that the client has.
  ///   - keepsNames: Whether the log wants names in bytes.
  mutating func begin(subscribed matches: [ClientMatches.Entry], keepsNames: Bool) {
    let watch = NameWatch(ownersMax: ownersMax, subscribed: matches)
    if keepsNames { watch.keepNames(limit: ownersMax) }
    self.watch = watch
    (isKnown, isJudgedByName) = (false, true)
  }

  /// The names of another policy are followed: see ``NameWatch/follow(_:all:keeping:hash:)``.
  mutating func follow(_ patterns: [NamePattern]?, all: Bool, keeping kept: [UInt64]) {
    let seed = seed
    watch?.follow(patterns, all: all, keeping: kept) { seed.hash($0) }
    (isKnown, isJudgedByName) = (false, true)
  }

  /// The connection is a monitor's, which may not speak and is told everything.
  mutating func stop() {
    watch?.stop(ownersMax: ownersMax)
    (isKnown, isJudgedByName) = (false, true)
  }

  /// All that was asked has been answered.
  mutating func settle(asksByName: Bool) {
    watch?.settle()
    (isKnown, isJudgedByName) = (true, asksByName)
  }

  /// The next call of the gate's own that is to be made; nil if there is none, or enough are under way.
  mutating func takeCall() -> NameWatch.OwnCall? { watch?.takeCall() }

  /// A call of the gate's own about names was made.
  mutating func noteCall() { watch?.noteCall() }

  /// A call of the gate's own about names is answered. Precondition: one was made.
  mutating func noteReply() {
    guard let watch else { preconditionFailure("an answer to a call that nobody made") }
    watch.noteReply()
  }

  /// Whether all that was to be asked has been asked and answered, and that was not noted yet.
  var isToBeSettled: Bool { watch.map { $0.isIdle && !$0.isReady } ?? false }

  /// A name is to be asked for.
  func add(_ call: NameWatch.OwnCall) { watch?.add(call) }

  /// There are more names than are asked for.
  func noteIncompleteness() { watch?.noteIncompleteness() }

  /// The name with this hash, whose owner was asked for.
  func asked(_ hash: UInt64) -> NameWatch.Asked? { watch?.asked[hash] }

  /// A name is being asked for.
  func noteAsked(_ hash: UInt64, _ asked: NameWatch.Asked) { watch?.noteAsked(hash, asked) }

  // MARK: What the bus says

  /// A name has this owner: the rules' table has it if they ask for it, the log's if there is one.
  func setOwner(_ owner: UInt64, of hash: UInt64, _ name: RawSpan, _ patterns: NameSet) {
    watch?.setOwner(owner, of: hash, name, patterns)
  }

  /// A name has no owner any more.
  func release(_ hash: UInt64) { watch?.release(hash) }

  /// A unique name has left the bus; returns whether anything was known of it.
  func leave(_ hash: UInt64) -> Bool { watch?.leave(hash) ?? false }

  // MARK: What rules ask of a peer

  /// What rules may ask of the unique name with this hash, as far as this connection was told.
  func peer(_ hash: UInt64) -> MessagePeer {
    guard let watch else { return MessagePeer() }
    var peer = watch.table.peer(hash)
    peer.mayOwnMore = !watch.isReady || watch.table.isIncomplete
    return peer
  }

  /// What rules may ask of the unique name that a message of the client is for. This connection's own stream may be behind, since its client
  /// does not read it, or the bus had no room for more; so it is the directory that says what that name owns. Nil: it soon will.
  func receiver(_ unique: RawSpan, _ hash: UInt64, _ policy: Policy) -> MessagePeer? {
    var peer = self.peer(hash)
    if !policy.followsNames { return peer }
    switch knowledge(for: policy) {
    case .awaited: return nil
    case .known: directory.describe(&peer, named: unique, for: policy.identity)
    case .unknown: peer.mayOwnMore = true
    }
    return peer
  }

  /// What the directory says of this session's bus.
  func knowledge(for policy: Policy) -> OwnerDirectory.Knowledge {
    let knowledge = directory.knowledge(for: policy.identity)
    return knowledge == .known && !directory.isAbout(bus) ? .unknown : knowledge
  }

  /// Whether there are more owners than can be remembered.
  var isIncomplete: Bool { watch?.table.isIncomplete ?? false }

  /// Whether the gate has an observer.
  @inline(__always)
  var hasObserver: Bool { !observerName.isEmpty }

  /// Whether it is the gate's observer.
  func isObserver(_ name: RawSpan) -> Bool { unsafe name.isEqual(to: observerName.span.bytes) }

  // MARK: What the client knows

  /// Whoever sends the client a message is visible to it from then on; returns whether that is news.
  func markVisible(_ hash: UInt64) -> Bool { watch?.markVisible(hash) ?? false }

  /// A name that no pattern matches was called as a rule allowed: it is no secret any more.
  func noteCalled(_ name: RawSpan, _ policy: Policy) {
    guard let watch, policy.names != nil else { return }
    let hash = seed.hash(name)
    if watch.mayNoteCalled(hash), policy.level(of: name) < .see { watch.noteCalled(hash) }
  }

  /// How far the client knows of a well-known name that it does not own.
  func level(ofWellKnown name: RawSpan, _ hash: UInt64, _ policy: Policy) -> NameLevel {
    max(policy.level(of: name), watch?.wasCalled(hash) ?? false ? .talk : .none)
  }

  /// How far the client knows of a unique name that is not its own.
  func level(ofUnique hash: UInt64, _ policy: Policy) -> NameLevel {
    if let watch, let everOwned = watch.table.everOwned(hash) {
      let level = policy.level(of: everOwned)
      if level > .none { return level }
      if watch.table.isVisible(hash) { return .see }
    }
    return policy.names?.showsUniqueNames ?? false ? .see : .none
  }

  // MARK: Match rules

  /// The match rule that the gate has at the bus itself, by the hash of its canonical text.
  func ownMatch(_ hash: UInt64) -> NameWatch.OwnMatch? { watch?.ownMatch(hash) }

  /// The gate's own match rule is at the bus once more.
  func noteOwnMatchAgain(_ hash: UInt64) { watch?.noteOwnMatchAgain(hash) }

  /// The gate gives up a match rule that it had kept at the bus for the client's sake.
  func giveUpOwnMatch(_ hash: UInt64) { watch?.giveUpOwnMatch(hash) }

  /// The client has added a match rule that may ask for changes of owners.
  func subscribe(_ rule: MatchRule, _ hash: UInt64) { watch?.subscribe(rule, hash) }

  /// The client has removed a match rule.
  func unsubscribe(_ hash: UInt64) { watch?.unsubscribe(hash) }

  /// Whether the client asked to be told of this change.
  func isSubscribed(name: RawSpan, oldOwner: RawSpan, newOwner: RawSpan) -> Bool {
    watch?.isSubscribed(name: name, oldOwner: oldOwner, newOwner: newOwner) ?? false
  }

  // MARK: The log

  /// The client uses, or asks about, the name with this hash.
  func mention(_ hash: UInt64) { watch?.mention(hash) }

  /// The well-known name behind the unique one with this hash, for the log.
  func wellKnownName(of hash: UInt64) -> [UInt8]? { watch?.ownerNames?.name(of: hash) }
}
