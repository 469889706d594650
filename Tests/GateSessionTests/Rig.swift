// A session with two peers made of arrays: what GateServer does with sockets, without sockets. Bytes go in in any cuts, the output is
// carried out as the server would, descriptors are numbers that have to turn up somewhere, and a peer can stop taking what is sent.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

/// A rule as tests write it. Nil methods: every method.
func rule(
  _ direction: Direction, _ interface: String = "*", _ methods: [String] = ["*"], path: String = "*", calls: Bool = true,
  signals: Bool = true, maxFDs: Int? = nil, deny: Bool = false, log: Bool? = nil, name: String? = nil
) -> GatewayRule {
  GatewayRule(
    outgoing: direction == .outgoing, incoming: direction == .incoming, interface: Glob(Array(interface.utf8)),
    objectPath: Glob(Array(path.utf8)), methods: methods.map { Glob(Array($0.utf8)) }, methodCalls: calls, signals: signals,
    maxFDs: maxFDs, action: deny ? .deny : .allow, log: log, location: SourceLocation(file: "test.json", line: 1, column: 1),
    name: name.map { try! NamePattern(Array($0.utf8)) })
}

final class Rig {
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
  struct Peer {
    /// Everything that arrived.
    var stream: [UInt8] = []
    /// The same without what the gate said itself.
    var forwarded: [UInt8] = []
    /// Descriptors with the place in `stream` they came at.
    var descriptors: [(place: Int, id: Int)] = []
    /// Takes nothing for now.
    var isStalled = false
  }

  static let guid = "0123456789abcdef0123456789abcdef"
  static let identity = BusIdentity(guid: Array(guid.utf8).span.bytes, unixFDs: true)!
  static let name = ":1.7"

  var session: Session
  var policy: Policy
  var now = Instant(milliseconds: 1_000)
  private var output = Output()
  private var fromClient = Pipe()
  private var fromBus = Pipe()
  private(set) var client = Peer()
  private(set) var bus = Peer()
  private(set) var decisions: [(side: Side, verdict: Verdict)] = []
  private(set) var closed: [Int] = []
  private(set) var close: CloseReason?
  private(set) var requests: Output.Requests = []
  private(set) var descriptorsGiven = 0
  var acceptsIdentity = false
  /// Whether a connection to the bus that is asked for is there at once.
  var connectsAtOnce = true

  init(
    _ rules: [GatewayRule] = [], known: BusIdentity? = Rig.identity, peerUID: UInt32? = 1000,
    _ configure: (inout SessionSettings) -> Void = { _ in }
  ) {
    var settings = SessionSettings()
    settings.seed = SeededHash(a: 0x0123_4567_89AB_CDEF, b: 0xFEDC_BA98_7654_3210)
    configure(&settings)
    policy = Policy(rules: rules, busName: "SESSION")
    session = Session(settings: settings, peerUID: peerUID, ownUID: 500, bus: known, at: now)
  }

  /// A session whose client has its name.
  static func open(
    _ rules: [GatewayRule] = [], unixFDs: Bool = true, _ configure: (inout SessionSettings) -> Void = { _ in }
  ) throws -> Rig {
    let rig = Rig(rules, configure)
    rig.authenticate(unixFDs: unixFDs)
    try rig.hello()
    return rig
  }

  /// Both handshakes, as clients and buses do them.
  func authenticate(unixFDs: Bool = true, busUnixFDs: Bool = true) {
    feed("\0AUTH EXTERNAL 31303030\r\n\(unixFDs ? "NEGOTIATE_UNIX_FD\r\n" : "")BEGIN\r\n", from: .client)
    answerHandshake(unixFDs: unixFDs ? busUnixFDs : nil)
    forget()
  }

  /// What a bus says to the gate's handshake. `unixFDs` nil: it was not asked.
  func answerHandshake(unixFDs: Bool? = true) {
    let agreement = unixFDs.map { $0 ? "AGREE_UNIX_FD\r\n" : "ERROR no\r\n" } ?? ""
    feed("OK \(Rig.guid)\r\n\(agreement)", from: .bus)
  }

  /// The client says Hello and becomes `Rig.name`.
  ///
  /// - Parameter keeping: Whether what the gate asks for then is kept.
  func hello(keeping: Bool = false) throws {
    try #require(isOpen)
    feed(.driver(1, "Hello"), from: .client)
    feed(.answer(1, to: 1, of: Rig.name, from: "org.freedesktop.DBus").with([.string(Rig.name)]), from: .bus)
    try #require(name == Rig.name)
    if !keeping { forget() }
  }

  /// Forgets what arrived and was decided until now.
  func forget() {
    (client.stream, client.forwarded, client.descriptors) = ([], [], [])
    (bus.stream, bus.forwarded, bus.descriptors) = ([], [], [])
    decisions = []
    requests = []
  }

  /// Decisions that were looked at.
  func forgetDecisions() { decisions.removeAll(keepingCapacity: true) }

  // MARK: Feeding

  func feed(_ text: String, from side: Side) { feed(Array(text.utf8), from: side) }

  func feed(_ draft: Draft, descriptors: Int = 0, from side: Side) { feed(draft.bytes, descriptors: descriptors, from: side) }

  /// `bytes` come from `side` in one read, with so many descriptors. Descriptors are numbered from 1 on as they come.
  func feed(_ bytes: [UInt8], descriptors: Int = 0, from side: Side) {
    edit(side) {
      $0.inbox += bytes
      $0.descriptors += descriptorsGiven + 1..<descriptorsGiven + 1 + descriptors
    }
    descriptorsGiven += descriptors
    if wantsBytes(side) { pump(side) }
    settle()
  }

  func wantsBytes(_ side: Side) -> Bool {
    let pipe = pipe(side)
    guard case .bytes = pipe.wait else { return false }
    return pipe.unsent.isEmpty
  }

  /// Why the session left off with what came from `side`.
  func wait(_ side: Side) -> String { "\(pipe(side).wait)" }

  /// Bytes from `side` that were read and not dealt with.
  func unconsumed(_ side: Side) -> Int { pipe(side).inbox.count }

  /// Descriptors from `side` that neither left nor were closed.
  func held(_ side: Side) -> [Int] {
    pipe(side).descriptors
      + pipe(side).unsent.flatMap { piece in
        if case .forwarded(_, let descriptors) = piece { return descriptors }
        return []
      }
  }

  func stall(_ side: Side) { editPeer(side) { $0.isStalled = true } }

  func unstall(_ side: Side) {
    editPeer(side) { $0.isStalled = false }
    send(to: side)
    pump(side.other)
    settle()
  }

  /// The connection to the bus that was asked for is there.
  func connect() {
    session.busConnected(at: now)
    settle()
  }

  // MARK: What the session says of itself

  var isOpen: Bool { session.isOpen }
  var name: String { session.name }
  var followsNames: Bool { session.names != nil }
  var knowsOwners: Bool { session.names?.isReady ?? false }
  var goesTheLongWay: Bool { session.goesTheLongWay }
  var isHelloAnswered: Bool { session.helloPhase == .answered }
  var pendingReplies: Int { session.pendingReplies(.outgoing) }
  var deadline: Instant? { session.deadline }
  var expired: CloseReason? { session.expire(at: now) }
  func own(to side: Side) -> Int { session.ownOutputCount(to: side) }
  func isAtMessageBoundary(to side: Side) -> Bool { session.isAtMessageBoundary(to: side) }

  // MARK: What arrived

  func peer(_ side: Side) -> Peer { side == .client ? client : bus }

  func messages(_ side: Side) throws -> [Arrived] {
    let (messages, rest) = try Arrived.all(in: peer(side).stream)
    try #require(rest.isEmpty, "what arrived ends within a message")
    return messages
  }

  /// The one message that arrived.
  func message(_ side: Side) throws -> Arrived {
    let messages = try messages(side)
    try #require(messages.count == 1, "\(messages.map(\.summary))")
    return messages[0]
  }

  func summary(_ side: Side) throws -> [String] { try messages(side).map(\.summary) }

  // MARK: As the server does

  private func pipe(_ side: Side) -> Pipe { side == .client ? fromClient : fromBus }

  private func edit<R>(_ side: Side, _ change: (inout Pipe) -> R) -> R {
    side == .client ? change(&fromClient) : change(&fromBus)
  }

  private func editPeer(_ side: Side, _ change: (inout Peer) -> Void) {
    if side == .client { change(&client) } else { change(&bus) }
  }

  private func pump(_ side: Side) {
    while close == nil && pipe(side).unsent.isEmpty && !pipe(side).inbox.isEmpty {
      passRoutinely(side)
      let bytes = pipe(side).inbox
      if bytes.isEmpty || !pipe(side).unsent.isEmpty { return }
      output.removeAll()
      let consumed = session.receive(
        bytes.span.bytes, from: side, descriptors: pipe(side).descriptors.count, policy: policy, at: now, into: &output)
      #expect(consumed <= bytes.count)
      for i in 0..<output.decisionCount { decisions.append((side, output.decision(i).verdict)) }
      for i in 0..<output.actionCount { carryOut(output.action(i), bytes, side) }
      edit(side) { $0.inbox.removeFirst(consumed) }
      edit(side) { $0.wait = output.wait }
      let (wait, requested) = (output.wait, output.requests)
      close = output.close
      send(to: side.other)
      fulfil(requested)
      switch wait {
      case .identity: identify()
      case .room: continue
      case .bytes, .bus, .ownOutput, .serial: return
      }
    }
  }

  /// What the server does with most bytes: the short way first.
  private func passRoutinely(_ side: Side) {
    if !session.isAtRest || !pipe(side).descriptors.isEmpty || !pipe(side.other).unsent.isEmpty { return }
    let bytes = pipe(side).inbox
    let count = session.passRoutinely(bytes.span.bytes, from: side, policy: policy.identity)
    #expect(count <= bytes.count)
    if count == 0 { return }
    edit(side) {
      $0.inbox.removeFirst(count)
      $0.unsent.append(.forwarded(Array(bytes[..<count]), descriptors: []))
    }
    send(to: side.other)
  }

  private func carryOut(_ action: Output.Action, _ bytes: [UInt8], _ side: Side) {
    let descriptors = edit(side) { pipe in
      let first = Array(pipe.descriptors.prefix(Int(action.descriptors)))
      #expect(first.count == action.descriptors, "more descriptors left than there were")
      pipe.descriptors.removeFirst(first.count)
      return first
    }
    let range = Int(action.offset)..<Int(action.offset) + Int(action.count)
    switch action.kind {
    case .skip: closed += descriptors
    case .own: edit(side) { $0.unsent.append(.own(Int(action.count))) }
    case .forward: edit(side) { $0.unsent.append(.forwarded(Array(bytes[range]), descriptors: descriptors)) }
    }
  }

  private func send(to side: Side) {
    if peer(side).isStalled { return }
    let pieces = pipe(side.other).unsent
    edit(side.other) { $0.unsent = [] }
    for piece in pieces {
      switch piece {
      case .own(let count): sendOwn(count, to: side)
      case .forwarded(let bytes, let descriptors):
        editPeer(side) {
          $0.descriptors += descriptors.map { [place = $0.stream.count] in (place, $0) }
          $0.stream += bytes
          $0.forwarded += bytes
        }
      }
    }
  }

  private func sendOwn(_ count: Int, to side: Side) {
    let own = session.withOwnOutput(to: side) { Array($0.prefix(count)) }
    #expect(own.count == count, "more of the own output left than there was")
    session.ownOutputLeft(count, to: side)
    editPeer(side) { $0.stream += own }
  }

  private func fulfil(_ requested: Output.Requests) {
    requests.formUnion(requested)
    if requested.contains(.resumeClient) { fromClient.wait = .room }
    if requested.contains(.connectBus) && connectsAtOnce { session.busConnected(at: now) }
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
    let count = session.ownOutputCount(to: side)
    if count == 0 || peer(side).isStalled || !pipe(side.other).unsent.isEmpty || !session.isAtMessageBoundary(to: side) {
      return false
    }
    sendOwn(count, to: side)
    return true
  }

  private func resume(_ side: Side) -> Bool {
    if !pipe(side).unsent.isEmpty { return false }
    switch pipe(side).wait {
    case .bytes, .bus, .identity, .serial: return false
    case .ownOutput(let receiver): if !session.hasRoomForAnswers(to: receiver) { return false }
    case .room: break
    }
    edit(side) { $0.wait = .bytes }
    if pipe(side).inbox.isEmpty { return false }
    pump(side)
    return true
  }

  private func settle() {
    while close == nil {
      let progress = [flush(to: .client), flush(to: .bus), resume(.client), resume(.bus)]
      if !progress.contains(true) { break }
    }
    session.countPartialWaits(receiverIsBusy: (client: !fromBus.unsent.isEmpty, bus: !fromClient.unsent.isEmpty), at: now)
  }

  func advance(_ milliseconds: UInt64) {
    now = now.advanced(byMilliseconds: milliseconds)
    settle()
  }

  /// The kernel refuses the descriptors of the message at the front of `bytes`, which was forwarded.
  func withdraw(_ bytes: [UInt8], from side: Side) -> (count: Int, verdict: Verdict) {
    let (count, decision) = session.withdraw(bytes.span.bytes, from: side, policy: policy)
    settle()
    return (count, decision.verdict)
  }
}
