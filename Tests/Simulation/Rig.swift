// A session with two peers made of arrays: what GateServer does with sockets, without sockets. Bytes go in in any cuts, the output is
// carried out as the server would, descriptors are numbers that have to turn up somewhere, and a peer can stop taking what is sent.
// Unit tests drive it by hand, the simulation and the fuzzer by choices. It knows no rule of the contract but those of the driving.

import DBusWire
import GatePolicy
import GateSession

package final class Rig {
  /// What is on its way to one peer.
  private enum Piece {
    case forwarded([UInt8], descriptors: [Int])
    case own(Int)
  }

  /// One direction: from `side` to the other.
  private struct Pipe {
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
  package var policy: Policy { didSet { tellOwners() } }
  /// What the gate's observer knows of the bus; what the session is told of that comes from the bus.
  package let owners: OwnerDirectory
  /// Unique names by the names that they own on the bus.
  package private(set) var ownersOnBus: [String: String] = [:]
  /// Whether the observer has its connection.
  package private(set) var isObserved = true
  package private(set) var now = Instant(milliseconds: 1_000)
  private var output = Output()
  private var fromClient = Pipe()
  private var fromBus = Pipe()
  package private(set) var client = Peer()
  package private(set) var bus = Peer()
  package private(set) var decisions: [(side: Side, verdict: Verdict)] = []
  package private(set) var closed: [Int] = []
  package private(set) var close: CloseReason?
  package private(set) var requests: Output.Requests = []
  package private(set) var descriptorsGiven = 0
  package var acceptsIdentity = false
  /// Whether a connection to the bus that is asked for is there at once.
  package var connectsAtOnce = true
  /// What the gate finds out about the bus when the session asks.
  package var identity = Rig.identity
  /// What the bus says to the gate's handshake, as soon as that is there, if it does so by itself.
  private var promptAnswer: String?
  /// When the connection to the bus was there.
  package private(set) var connectedAt: Instant?
  /// The kernel takes no descriptors (ETOOMANYREFS).
  package var refusesDescriptors = false
  /// The rest of a message that passes goes by without being looked at.
  package var splicesBodies = false
  /// What the session said that no driver could carry out. Must stay empty.
  package private(set) var failures: [String] = []

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

  private func tellConnected() {
    let (own, stream) = (bus.own.count, bus.stream.count)
    session.busConnected(at: now)
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
    if close == nil { close = session.policyChanged(to: policy) }
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
    session.ownersChanged()
  }

  /// The observer loses its connection; `isAwaited`: there is another at once, which has no answers yet.
  package func loseOwners(isAwaited: Bool) {
    isObserved = false
    owners.lose()
    if isAwaited { owners.awaitAnswers() }
    session.ownersChanged()
    if !isAwaited { resumeForOwners() }
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
    session.ownersChanged()
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

  // MARK: As the server does

  private func pipe(_ side: Side) -> Pipe { side == .client ? fromClient : fromBus }

  private func edit<R>(_ side: Side, _ change: (inout Pipe) -> R) -> R {
    side == .client ? change(&fromClient) : change(&fromBus)
  }

  private func editPeer(_ side: Side, _ change: (inout Peer) -> Void) {
    if side == .client { change(&client) } else { change(&bus) }
  }

  private func check(_ holds: Bool, _ failure: @autoclosure () -> String) {
    if !holds { failures.append(failure()) }
  }

  private func pump(_ side: Side) {
    while close == nil && pipe(side).unsent.isEmpty && !pipe(side).inbox.isEmpty {
      forwardFromCache(side)
      let bytes = pipe(side).inbox
      if bytes.isEmpty || !pipe(side).unsent.isEmpty { return }
      output.removeAll()
      let consumed = session.receive(
        bytes.span.bytes, from: side, descriptors: pipe(side).descriptors.count, policy: policy, at: now, into: &output)
      check(consumed <= bytes.count, "consumed \(consumed) of \(bytes.count) bytes")
      for i in 0..<output.decisionCount { decisions.append((side, output.decision(i).verdict)) }
      for i in 0..<output.actionCount { carryOut(output.action(i), bytes, side) }
      edit(side) { $0.inbox.removeFirst(min(consumed, bytes.count)) }
      edit(side) { $0.wait = output.wait }
      let (wait, requested) = (output.wait, output.requests)
      close = output.close
      onDealt?(side, consumed, wait)
      send(to: side.other)
      fulfil(requested)
      switch wait {
      case .identity: identify()
      case .room: continue
      case .bytes, .bus, .localOutput, .serial, .owners: return
      }
    }
  }

  /// What the server does with most bytes: the short way first.
  private func forwardFromCache(_ side: Side) {
    if !session.isIdle || !pipe(side.other).unsent.isEmpty { return }
    let bytes = pipe(side).inbox
    let descriptors = pipe(side).descriptors
    let count = session.forwardFromCache(bytes.span.bytes, from: side, descriptors: descriptors.count, policy: policy.identity)
    check(count <= bytes.count, "passed \(count) of \(bytes.count) bytes")
    if count == 0 { return }
    edit(side) {
      $0.inbox.removeFirst(count)
      $0.unsent.append(.forwarded(Array(bytes[..<count]), descriptors: descriptors))
      $0.descriptors = []
    }
    onDealt?(side, count, nil)
    send(to: side.other)
  }

  private func carryOut(_ action: Output.Action, _ bytes: [UInt8], _ side: Side) {
    let first = edit(side) { pipe in
      let first = Array(pipe.descriptors.prefix(Int(action.descriptors)))
      pipe.descriptors.removeFirst(first.count)
      return first
    }
    check(first.count == action.descriptors, "\(action.descriptors) descriptors leave where there are \(first.count)")
    let range = Int(action.offset)..<Int(action.offset) + Int(action.count)
    switch action.kind {
    case .skip: closed += first
    case .local: edit(side) { $0.unsent.append(.own(Int(action.count))) }
    case .forward: edit(side) { $0.unsent.append(.forwarded(Array(bytes[range]), descriptors: first)) }
    }
  }

  private func send(to side: Side) {
    while peer(side).room > 0, let piece = pipe(side.other).unsent.first {
      _ = edit(side.other) { $0.unsent.removeFirst() }
      var rest: Piece?
      switch piece {
      case .own(let count):
        let sent = sendOwn(count, to: side)
        if sent < count { rest = .own(count - sent) }
      case .forwarded(let bytes, let descriptors):
        if refusesDescriptors && !descriptors.isEmpty {
          let count = refuse(bytes, from: side.other).count
          closed += descriptors
          if count < bytes.count { rest = .forwarded(Array(bytes[count...]), descriptors: []) }
        } else {
          let sent = forward(bytes, descriptors, to: side)
          if sent < bytes.count { rest = .forwarded(Array(bytes[sent...]), descriptors: []) }
        }
      }
      if let rest { edit(side.other) { $0.unsent.insert(rest, at: 0) } }
    }
  }

  private func forward(_ bytes: [UInt8], _ descriptors: [Int], to side: Side) -> Int {
    let count = min(bytes.count, peer(side).room)
    editPeer(side) {
      $0.descriptors += descriptors.map { [place = $0.stream.count] in (place, $0) }
      $0.stream += bytes[..<count]
      $0.forwarded += bytes[..<count]
      if $0.room != .max { $0.room -= count }
    }
    return count
  }

  private func sendOwn(_ wanted: Int, to side: Side) -> Int {
    let count = min(wanted, peer(side).room)
    let own = session.withLocalOutput(to: side) { Array($0.prefix(count)) }
    check(own.count == count, "\(count) bytes of the own output leave where there are \(own.count)")
    session.localOutputSent(own.count, to: side)
    editPeer(side) {
      $0.stream += own
      $0.own += own
      if $0.room != .max { $0.room -= own.count }
    }
    return count
  }

  private func fulfil(_ requested: Output.Requests) {
    requests.formUnion(requested)
    if requested.contains(.resumeClient) { fromClient.wait = .room }
    if requested.contains(.identifyBus) { identifyBus() }
    if requested.contains(.connectBus) && connectsAtOnce { tellConnected() }
  }

  private func identifyBus() {
    output.removeAll()
    session.busIdentified(identity, into: &output)
    fromClient.wait = .room
    if close == nil { close = output.close }
  }

  private func identify() {
    output.removeAll()
    session.identify(accepted: acceptsIdentity, into: &output)
    fromClient.wait = output.wait
    let requested = output.requests
    if close == nil { close = output.close }
    fulfil(requested)
  }

  private func flush(to side: Side) -> Bool {
    let count = session.localOutputCount(to: side)
    if count == 0 || peer(side).room == 0 || !pipe(side.other).unsent.isEmpty || !session.isAtMessageBoundary(to: side) {
      return false
    }
    _ = sendOwn(count, to: side)
    return true
  }

  private func resume(_ side: Side) -> Bool {
    if !pipe(side).unsent.isEmpty { return false }
    switch pipe(side).wait {
    case .bytes, .bus, .identity, .serial, .owners: return false
    case .localOutput(let receiver): if !session.hasRoomForAnswers(to: receiver) { return false }
    case .room: break
    }
    edit(side) { $0.wait = .bytes }
    if pipe(side).inbox.isEmpty { return false }
    pump(side)
    return true
  }

  private func flushAndResume() {
    while close == nil {
      let progress = [flush(to: .client), flush(to: .bus), resume(.client), resume(.bus)]
      if !progress.contains(true) { break }
    }
    session.countPartialWaits(receiverIsBusy: (client: !fromBus.unsent.isEmpty, bus: !fromClient.unsent.isEmpty), at: now)
  }

  package func advance(_ milliseconds: UInt64) {
    now = now.advanced(byMilliseconds: milliseconds)
    flushAndResume()
  }

  /// The kernel refuses the descriptors of the message at the front of `bytes`, which was forwarded.
  package func withdraw(_ bytes: [UInt8], from side: Side) -> (count: Int, verdict: Verdict) {
    defer { flushAndResume() }
    return refuse(bytes, from: side)
  }

  private func refuse(_ bytes: [UInt8], from side: Side) -> (count: Int, verdict: Verdict) {
    onRefusal?(side)
    let (count, decision) = session.withdraw(bytes.span.bytes, from: side, policy: policy)
    check(count <= bytes.count, "withdrew \(count) of \(bytes.count) bytes")
    return (count, decision.verdict)
  }
}
