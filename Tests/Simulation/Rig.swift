// A session with two peers made of arrays: what GateServer does with sockets, without sockets. Bytes go in in any cuts, the output is
// carried out as the server would, descriptors are numbers that have to turn up somewhere, and a peer can stop taking what is sent.
// Unit tests drive it by hand, the simulation and the fuzzer by choices. It knows no rule of the contract but those of the driving.

import DBusWire
import GatePolicy
import GateSession

package final class Rig {
  /// What is on its way to one peer.
  enum Piece {
    case forwarded([UInt8], descriptors: [Int])
    case own(Int)
  }

  /// One direction: from `side` to the other.
  struct Pipe {
    var inbox: [UInt8] = []
    var descriptors: [Int] = []
    var unsent: [Piece] = []
    var wait = Output.Wait.bytes
  }

  /// One peer, as the session's output reaches it.
  package struct Peer {
    /// Everything that arrived.
    package var stream: [UInt8] = []
    /// The same without what the gate said itself, and that alone.
    package var forwarded: [UInt8] = [], own: [UInt8] = []
    /// Descriptors with the place in `stream` they came at.
    package var descriptors: [(place: Int, id: Int)] = []
    /// How many bytes it takes for now.
    package var room = Int.max
  }

  package static let guid = "0123456789abcdef0123456789abcdef"
  package static let identity = BusIdentity(guid: Array(guid.utf8).span.bytes, unixFDs: true)!
  package static let name = ":1.7"

  package var session: Session
  /// The same session, if it remembers nothing of the last messages.
  var twin: Twin?
  package var policy: Policy { didSet { tellOwners() } }
  /// What the gate's observer knows of the bus; what the session is told of that comes from the bus.
  package let owners: OwnerDirectory
  /// Unique names by the names that they own on the bus.
  package internal(set) var ownersOnBus: [String: String] = [:]
  /// Whether the observer has its connection.
  package internal(set) var isObserved = true
  package internal(set) var now = Instant(milliseconds: 1_000)
  var output = Output()
  var fromClient = Pipe()
  var fromBus = Pipe()
  package internal(set) var client = Peer()
  package internal(set) var bus = Peer()
  package internal(set) var decisions: [(side: Side, verdict: Verdict)] = []
  package internal(set) var closed: [Int] = []
  package internal(set) var close: CloseReason?
  package internal(set) var requests: Output.Requests = []
  package internal(set) var descriptorsGiven = 0
  package var acceptsIdentity = false
  /// Whether a connection to the bus that is asked for is there at once.
  package var connectsAtOnce = true
  /// What the gate finds out about the bus when the session asks.
  package var identity = Rig.identity
  /// What the bus says to the gate's handshake, as soon as that is there, if it does so by itself.
  private var promptAnswer: String?
  /// When the connection to the bus was there.
  package internal(set) var connectedAt: Instant?
  /// The kernel takes no descriptors (ETOOMANYREFS).
  package var refusesDescriptors = false
  /// The rest of a message that passes goes by without being looked at.
  package var splicesBodies = false
  /// What the session said that no driver could carry out. Must stay empty.
  package internal(set) var failures: [String] = []

  /// Told when the session dealt with so many bytes, and why it left off; nil: it did not look at them one by one.
  package var onDealt: ((Side, Int, Output.Wait?) -> Void)?
  /// Told when the kernel refused the descriptors of the first message from a side that has not left.
  package var onRefusal: ((Side) -> Void)?

  package init(
    policy: Policy, known: BusIdentity? = Rig.identity, peerUID: UInt32? = 1000, budgets: CallBudgets? = nil,
    _ configure: (inout SessionSettings) -> Void = { _ in }
  ) {
    var settings = SessionSettings()
    settings.seed = SeededHash(a: 0x0123_4567_89AB_CDEF, b: 0xFEDC_BA98_7654_3210)
    configure(&settings)
    self.policy = policy
    owners = OwnerDirectory(ownersMax: settings.limits.ownersMax)
    owners.play([policy], owners: [:])
    session = Session(
      settings: settings, peerUID: peerUID, ownUID: 500, bus: known, owners: owners, budgets: budgets, at: now)
  }

  /// From now on a session that remembers nothing goes the same way beside this one's. Called before anything else.
  ///
  /// - Parameters:
  ///   - settings: This one's, with counts of its own.
  ///   - budgets: Like this one's.
  package func addTwin(_ settings: SessionSettings, known: BusIdentity?, peerUID: UInt32? = 1000, budgets: CallBudgets?) {
    twin = Twin(
      Session(settings: settings, peerUID: peerUID, ownUID: 500, bus: known, owners: owners, budgets: budgets, at: now))
  }

  /// What would have been otherwise if nothing was remembered of the last messages, if anything would.
  package var difference: String? { twin?.difference }

  /// Looks for something that would have been counted otherwise.
  package func compareCounters() { twin?.compare(session.counters) }

  deinit { precondition(failures.isEmpty, "the session asked for what cannot be done: \(failures)") }

  /// The client's handshake, as clients do it; when there is a connection to the bus the bus does its part of the other one at once, and
  /// that is forgotten.
  package func authenticate(unixFDs: Bool = true) {
    feed("\0AUTH EXTERNAL 31303030\r\n\(unixFDs ? "NEGOTIATE_UNIX_FD\r\n" : "")BEGIN\r\n", from: .client)
    promptAnswer = "OK \(Rig.guid)\r\n" + (unixFDs ? "AGREE_UNIX_FD\r\n" : "")
    forget()
  }

  /// What a bus says to the gate's handshake. `unixFDs` nil: it was not asked.
  package func answerHandshake(unixFDs: Bool? = true) {
    let agreement = unixFDs.map { $0 ? "AGREE_UNIX_FD\r\n" : "ERROR no\r\n" } ?? ""
    feed("OK \(Rig.guid)\r\n\(agreement)", from: .bus)
  }

  /// Forgets what arrived and was decided until now.
  package func forget() {
    for side in [Side.client, .bus] {
      editPeer(side) { ($0.stream, $0.forwarded, $0.own, $0.descriptors) = ([], [], [], []) }
    }
    decisions = []
    requests = []
  }

  /// Forgets what was looked at.
  package func forgetDecisions() { decisions.removeAll(keepingCapacity: true) }

  // MARK: Feeding

  package func feed(_ text: String, from side: Side) { feed(Array(text.utf8), from: side) }

  package func feed(_ draft: Draft, descriptors: Int = 0, from side: Side) {
    feed(draft.bytes, descriptors: descriptors, from: side)
  }

  /// `bytes` come from `side` in one read, with so many descriptors. Descriptors are numbered from 1 on as they come.
  package func feed(_ bytes: [UInt8], descriptors: Int = 0, from side: Side) {
    let spliced = descriptors == 0 ? splice(bytes, side) : 0
    edit(side) {
      $0.inbox += bytes[spliced...]
      $0.descriptors += descriptorsGiven + 1..<descriptorsGiven + 1 + descriptors
    }
    descriptorsGiven += descriptors
    if wantsBytes(side) { pump(side) }
    flushAndResume()
  }

  /// What the server does with large messages: bytes that nobody looks at go on as they come.
  private func splice(_ bytes: [UInt8], _ side: Side) -> Int {
    let isIdle = session.isIdle && held(side).isEmpty && pipe(side).inbox.isEmpty && pipe(side).unsent.isEmpty
    let count = splicesBodies && isIdle && close == nil ? min(bytes.count, session.restByteCount(from: side)) : 0
    if count == 0 { return 0 }
    session.passedRest(count, from: side)
    twin?.passedRest(count, from: side)
    edit(side) { $0.unsent.append(.forwarded(Array(bytes[..<count]), descriptors: [])) }
    onDealt?(side, count, nil)
    send(to: side.other)
    return count
  }

  package func wantsBytes(_ side: Side) -> Bool {
    let pipe = pipe(side)
    guard case .bytes = pipe.wait else { return false }
    return pipe.unsent.isEmpty
  }

  /// Why the session left off with what came from `side`.
  package func wait(_ side: Side) -> String { "\(pipe(side).wait)" }

  /// Bytes from `side` that were read and not dealt with.
  package func unconsumed(_ side: Side) -> Int { pipe(side).inbox.count }

  /// Bytes from `side` that are to be forwarded and have not left.
  package func unsent(_ side: Side) -> Int {
    pipe(side).unsent.reduce(0) { sum, piece in
      if case .forwarded(let bytes, _) = piece { return sum + bytes.count }
      return sum
    }
  }

  /// Descriptors from `side` that neither left nor were closed.
  package func held(_ side: Side) -> [Int] {
    pipe(side).descriptors
      + pipe(side).unsent.flatMap { piece in
        if case .forwarded(_, let descriptors) = piece { return descriptors }
        return []
      }
  }

  package func stall(_ side: Side) { give(side, room: 0) }

  package func unstall(_ side: Side) { give(side, room: .max) }

  /// `side` takes so many bytes, and then none.
  package func give(_ side: Side, room: Int) {
    editPeer(side) { $0.room = room }
    if room == 0 { return }
    send(to: side)
    pump(side.other)
    flushAndResume()
  }

  /// The connection to the bus that was asked for is there.
  package func connect() {
    tellConnected()
    flushAndResume()
  }

  func tellConnected() {
    let (own, stream) = (bus.own.count, bus.stream.count)
    let refusal = session.busConnected(at: now, over: .unix)
    check(refusal == nil, "a connection that carries everything was of no use")
    twin?.busConnected(at: now)
    let opening = session.localOutputCount(to: .bus)
    connectedAt = now
    fromClient.wait = .bytes
    pump(.client)
    guard let answer = promptAnswer else { return }
    promptAnswer = nil
    _ = flush(to: .bus)
    bus.own.removeSubrange(own..<own + opening)
    bus.stream.removeSubrange(stream..<stream + opening)
    feed(answer, from: .bus)
  }

  /// The policy is another one from now on.
  package func reload(_ policy: Policy) {
    self.policy = policy
    if close == nil {
      close = session.takeBack(under: policy)
      twin?.takeBack(under: policy, expected: close)
    }
    flushAndResume()
  }

  // MARK: The gate's observer

  /// `name` has another owner on the bus, or none: the observer is told at once, the session when it reads.
  package func changeOwner(_ name: String, to owner: String) {
    if name.hasPrefix(":") {
      if owner.isEmpty { ownersOnBus = ownersOnBus.filter { $0.value != name } }
    } else {
      ownersOnBus[name] = owner.isEmpty ? nil : owner
    }
    if !isObserved { return }
    owners.change(name, to: owner)
    noteOwnersChanged()
  }

  /// The observer loses its connection; `isAwaited`: there is another at once, which has no answers yet.
  package func loseOwners(isAwaited: Bool) {
    isObserved = false
    owners.lose()
    if isAwaited { owners.awaitAnswers() }
    noteOwnersChanged()
    if !isAwaited { resumeForOwners() }
  }

  /// The observer is there, on the bus that the client is told of, and has no name yet.
  package func connectObserver() {
    _ = greetObserver()
    tellOwners()
  }

  private func greetObserver() -> OwnerObserver {
    var observer = OwnerObserver(owners, ownUID: 500, over: .unix)!
    let bus = observer.receive(Array("OK \(Rig.guid)\r\n".utf8).span.bytes).bus
    check(bus != nil, "the observer knows no bus")
    return observer
  }

  /// The observer, which is there, has another unique name.
  package func nameObserver(_ name: String) {
    precondition(isObserved, "an observer that is lost has no name")
    var observer = greetObserver()
    let answer = Draft.answer(1, to: 1, of: name, from: "org.freedesktop.DBus").with([.string(name)]).bytes
    let isNamed = observer.receive(answer.span.bytes).isNamed
    check(isNamed, "the observer got no name")
    tellOwners()
    session.ownersChanged(isObserverNew: isNamed)
    twin?.ownersChanged(isObserverNew: isNamed)
  }

  /// The observer has been told everything.
  package func findOwners() {
    isObserved = true
    tellOwners()
    resumeForOwners()
  }

  private func tellOwners() {
    if isObserved {
      owners.play([policy], owners: ownersOnBus)
    } else {
      owners.follow([policy], isConnected: false)
    }
    noteOwnersChanged()
  }

  private func noteOwnersChanged() {
    session.ownersChanged()
    twin?.ownersChanged()
  }

  private func resumeForOwners() {
    if case .owners = fromClient.wait { fromClient.wait = .room }
    flushAndResume()
  }

  /// The connection has come to its end.
  package func end(_ reason: CloseReason) {
    if close == nil { close = reason }
  }

  // MARK: What the session says of itself

  package var isOpen: Bool { session.isOpen }
  package var name: String { session.name }
  package var deadline: Instant? { session.deadline }
  package var expired: CloseReason? { session.expire(at: now) }
  package func own(to side: Side) -> Int { session.localOutputCount(to: side) }
  package func isAtMessageBoundary(to side: Side) -> Bool { session.isAtMessageBoundary(to: side) }

  // MARK: What arrived

  package func peer(_ side: Side) -> Peer { side == .client ? client : bus }
}
