// A client and a bus that say to each other through a session whatever comes to their mind: cut at any byte, with descriptors that come
// late, peers that stall, ends that close, policies that change and clocks that jump. A naive gate decides beside the session. After each
// step the two are compared; what happens comes from choices alone, so that a seed, or a fuzzer's input, repeats it.

import DBusWire
import GatePolicy
import GateSession

/// One connection's life.
package final class World {
  /// What does not hold.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
  }

  /// Since when something of the gate's own has waited for the rest of a message, and nothing else has been in its way.
  struct BlockedTimes {
    var client: UInt64?, bus: UInt64?
  }

  private static let stepsMax = 400

  var choices: Choices
  let rig: Rig
  var gate: ReferenceGate
  let client = Wire(), bus = Wire()
  private var clientScript = MessageScript()
  private(set) var busScript = MessageScript()
  /// Bytes of the gate's own to each side that were looked at, the handshakes first, and messages among them.
  var ownSeen: (client: Int, bus: Int) = (0, 0), ownCount: (client: Int, bus: Int) = (0, 0)
  /// Lines that the client's handshake is answered with, until they are there; bytes that the gate's is.
  var linesAwaited: Int
  /// Where in what the gate said the handshake ends; nil as long as the client's lasts.
  var ownStart: (client: Int?, bus: Int)
  let temper: Temper
  /// The last serial of what was said in a scene.
  var sceneSerial: UInt32 = 1000
  /// Of the unique name that the gate's observer had last.
  var observerNumber = 90
  /// Until which step the client's first message is not there as a whole.
  var firstIsHalfUntil = 0
  let ownMax: Int
  let timeouts: (auth: UInt64, hello: UInt64, partial: UInt64)
  private let isLoggingEverything: Bool
  var isConnected = false
  var blocked = BlockedTimes()
  /// Bytes to the client that were looked through for what is hidden.
  var secretsSought = 0
  var passed: (client: UInt64, bus: UInt64) = (0, 0)
  /// The first thing that did not hold while the session was being driven.
  var failure: Failure?
  package private(set) var steps = 0
  /// Who wants to be told what happens.
  package var tell: ((String) -> Void)?

  package init(_ source: Choices) throws {
    var choices = source
    var gate = ReferenceGate()
    var settings = SessionSettings()
    let (a, b) = (choices.number(), choices.number())
    settings.seed = SeededHash(a: a, b: b)
    Self.configure(&settings, &gate, &choices)
    isLoggingEverything = settings.logging == .everything
    ownMax = max(settings.limits.ownOutputBytesMax, 4096)
    timeouts = (settings.limits.authTimeout, settings.limits.helloTimeout, settings.limits.partialMessageTimeout)
    temper = Temper(&choices)
    (clientScript.temper, busScript.temper) = (temper, temper)
    let conversation = Conversation(&choices, &gate)
    linesAwaited = conversation.isClientWrong ? .max : conversation.lineCount
    ownSeen.bus = conversation.toBus.utf8.count
    ownStart = (nil, ownSeen.bus)
    gate.policy = MessageScript.policy(&choices, temper)
    if isLoggingEverything { for i in gate.policy.rules.indices { gate.policy.rules[i].log = nil } }
    gate.limits.pendingTotal = choices.pick([100_000, 9])
    rig = Rig(
      policy: try Self.compiled(gate.policy), known: conversation.known, budgets: Self.budgets(gate.limits)
    ) { $0 = settings }
    var others = settings
    others.matchesTotal = settings.matchesTotal.map { GateCount(max: $0.max) }
    others.namesTotal = settings.namesTotal.map { GateCount(max: $0.max) }
    rig.addTwin(others, known: conversation.known, budgets: Self.budgets(gate.limits))
    let hasObserver = b % 4 == 0
    rig.acceptsIdentity = choices.chance(50)
    rig.splicesBodies = choices.chance(50)
    rig.connectsAtOnce = choices.chance(50)
    rig.identity.unixFDs = conversation.agrees
    client.sayHandshake(conversation.fromClient, isDefect: conversation.isClientWrong)
    bus.sayHandshake(conversation.fromBus, isDefect: conversation.isBusWrong)
    clientScript.mayPassDescriptors = gate.clientTakesDescriptors
    busScript.mayPassDescriptors = gate.busTakesDescriptors
    clientScript.driverShare = temper.isAboutHoldings ? 60 : choices.pick([0, 0, 30, 80])
    busScript.driverShare = clientScript.driverShare
    gate.observe([:])
    busScript.callerCount = choices.pick([2, 2, 25])
    self.choices = choices
    self.gate = gate
    rig.connectObserver()
    if hasObserver { nameObserver() }
    rig.onDealt = { [unowned self] in follow($0, $1, $2) }
    rig.onRefusal = { [unowned self] in withdraw($0) }
  }

  private static func budgets(_ limits: ReferenceGate.Limits) -> CallBudgets {
    CallBudgets(
      outgoing: SharedBudget(total: limits.pendingTotal, connectionsMax: 1),
      incoming: SharedBudget(total: 100_000, connectionsMax: 1))
  }

  private static func configure(_ settings: inout SessionSettings, _ gate: inout ReferenceGate, _ choices: inout Choices) {
    settings.limits.ownOutputBytesMax = choices.pick([65_536, 4096, 8192])
    settings.limits.messageBytesMax = choices.pick([1_000_000, 4096, 600])
    settings.limits.headerBytesMax = choices.pick([262_144, 1024, 400])
    settings.limits.inspectBytesMax = choices.pick([262_144, 500])
    settings.limits.pendingRepliesMax = choices.pick([1000, 20, 3])
    settings.limits.incomingCallsPerCallerMax = choices.pick([128, 3])
    settings.limits.incomingCallsMax = choices.pick([4096, 4, 16])
    settings.limits.matchesMax = choices.pick([512, 3])
    settings.limits.namesMax = choices.pick([64, 2, 1])
    settings.limits.partialMessageTimeout = choices.pick([30_000, 30_000, 200])
    settings.limits.descriptorsPerMessageMax = 16
    // What all sessions of a gate have together is here what this one has.
    settings.matchesTotal = GateCount(max: choices.pick([8192, 8192, 2]))
    settings.namesTotal = GateCount(max: choices.pick([1024, 1024, 1]))
    settings.logging = choices.pick([.denied, .everything, .nothing])
    settings.mode = choices.chance(20) ? .audit : .enforce
    settings.tellsOwners = settings.mode == .audit && choices.chance(50)
    settings.opensNames = choices.chance(30)
    settings.saysHello = choices.chance(30)
    settings.allowsAnonymous = choices.chance(10)
    let limits = settings.limits
    gate.limits = ReferenceGate.Limits(
      headerBytesMax: limits.headerBytesMax, messageBytesMax: limits.messageBytesMax, inspectBytesMax: limits.inspectBytesMax,
      descriptorsMax: limits.descriptorsPerMessageMax, pendingMax: limits.pendingRepliesMax,
      matchesMax: min(limits.matchesMax, settings.matchesTotal!.max), namesMax: limits.namesMax,
      namesTotal: settings.namesTotal!.max)
    (gate.incoming.perCallerMax, gate.incoming.max) = (limits.incomingCallsPerCallerMax, limits.incomingCallsMax)
    gate.isAudit = settings.mode == .audit
    gate.tellsOwners = settings.tellsOwners
    (gate.opensNames, gate.saysHello) = (settings.opensNames, settings.saysHello)
  }

  /// The policy as the program would have it: out of the document.
  private static func compiled(_ policy: ReferencePolicy) throws -> Policy {
    let document = try GatewayDocument.parse(Array(policy.document.utf8), file: "world.json")
    var names = document.names
    names?.showsUniqueNames = policy.showsUniqueNames
    names?.trustsPeers = policy.trustsPeers
    return Policy(rules: document.sessionRules, names: names, busName: "SESSION")
  }

  // MARK: What happens

  /// Lives until the choices or the connection end. Throws what did not hold.
  package func run() throws {
    let count = choices.below(150) + 20
    tell?("\(gate.limits)\naudit \(gate.isAudit), tells owners \(gate.tellsOwners)")
    tell?("opens names \(gate.opensNames), says Hello \(gate.saysHello)")
    tell?("descriptors: client \(gate.clientTakesDescriptors), bus \(gate.busTakesDescriptors); \(gate.policy.document)")
    tell?("client: \(client.handshake.debugDescription) bus: \(bus.handshake.debugDescription)")
    if choices.chance(10) { firstIsHalfUntil = choices.below(60) }
    sayHello()
    while !choices.isExhausted && steps < Self.stepsMax && (steps < count || choices.below(64) > 0) && rig.close == nil {
      try step()
      try check()
    }
    try finish()
  }

  private func step() throws {
    steps += 1
    if choices.chance(temper.scenes) { return try playScene() }
    switch choices.below(16) {
    case 0, 1: for _ in 0..<burst() { say(.client) }
    case 2, 3: for _ in 0..<burst() { say(.bus) }
    case 4:
      if temper.stalls == .long && choices.chance(90) { break }
      give(choices.chance(50) ? .client : .bus, room: choices.pick([.max, .max, 0, 1, 30, 500]))
    case 5: rig.advance(UInt64(choices.chance(97) ? choices.below(100) : choices.below(40_000)))
    case 6...9: deliver(.client)
    case 10...13: deliver(.bus)
    case 14: connect()
    default: try happen()
    }
  }

  /// What is rare.
  private func happen() throws {
    switch choices.below(9) {
    case 0...2: try reload()
    case 8: observe()
    case 3: rig.refusesDescriptors = choices.chance(30)
    case 4 where choices.chance(10): client.end()
    case 5 where choices.chance(10): bus.end()
    case 6:
      gate.policyNumber += 1
      gate.takeNames()
      try rig.reload(Self.compiled(gate.policy))
      gate.observe(rig.ownersOnBus)
    default: for _ in 0..<3 { repeatLast(choices.chance(50) ? .client : .bus) }
    }
  }

  /// Another policy. `change`: what it has besides.
  func reload(_ change: (inout ReferencePolicy) -> Void = { _ in }) throws {
    if rig.close != nil { return }
    gate.policy = MessageScript.policy(&choices, temper)
    change(&gate.policy)
    gate.policyNumber += 1
    tell?("reloaded: \(gate.policy.document)")
    if isLoggingEverything { for i in gate.policy.rules.indices { gate.policy.rules[i].log = nil } }
    let isRevoked = gate.isMonitor && !gate.mayMonitor
    gate.observe(rig.ownersOnBus)
    gate.takeNames()
    rig.reload(try Self.compiled(gate.policy))
    if isRevoked && rig.close != .monitorRevoked { throw Failure("a monitor lives on: \(rig.close as Any)") }
  }

  /// The gate's observer loses the bus, or finds it again.
  func observe() {
    gate.isObserved.toggle()
    tell?("the observer \(gate.isObserved ? "knows everything" : "is lost")")
    if gate.isObserved {
      gate.observe(rig.ownersOnBus)
      rig.findOwners()
    } else {
      gate.observerName = ""
      rig.loseOwners(isAwaited: choices.chance(50))
    }
  }

  /// The gate's observer has a new unique name.
  func nameObserver() {
    observerNumber += 1
    gate.observerName = ":1.\(observerNumber)"
    tell?("the observer is \(gate.observerName)")
    rig.nameObserver(gate.observerName)
  }

  /// A peer takes so much from now on.
  func give(_ side: Side, room: Int) { if temper.stalls != .never { rig.give(side, room: room) } }

  func connect() {
    if isConnected || !rig.requests.contains(.connectBus) { return }
    if !rig.connectsAtOnce { rig.connect() }
    isConnected = true
  }

  // MARK: What is said

  /// Mostly one message, sometimes more than an output or the own output takes at a time.
  private func burst() -> Int { choices.below(80) > 0 ? 1 : 50 }

  /// What connections begin with: mostly Hello, sometimes as a client says it that is another's; sometimes half of it for long.
  private func sayHello() {
    if choices.chance(10) { return }
    // Some talk before they say it.
    if choices.chance(15) { for _ in 0..<choices.pick([1, 1, 3, 70]) { say(.client) } }
    if !gate.saysHello || choices.chance(50) {
      let hello = choices.chance(90) ? Draft.driver(1, "Hello") : MessageScript.oddHello(&choices)
      send(.init(message: hello, bytes: hello.bytes), .client)
    } else if choices.chance(50) {
      // The gate says it, under a serial that the client may use as well.
      for serial in [.max, .max, UInt32.max - 1] where choices.chance(60) {
        let call = Draft.call(serial, "Do")
        send(.init(message: call, bytes: call.bytes), .client)
      }
    }
    if gate.saysHello || firstIsHalfUntil > 0 { return }
    let answer = Draft.answer(1, to: 1, of: Rig.name, from: MessageScript.driver).with([.string(Rig.name)])
    send(.init(message: answer, bytes: answer.bytes), .bus)
  }

  func say(_ side: Side) {
    if side == .bus && gate.hello != .unsaid && gate.hello != .answered && choices.chance(40) { return answerHello() }
    if choices.chance(temper.monotony) { return repeatLast(side) }
    send(side == .client ? clientScript.outgoing(&choices, gate) : busScript.incoming(&choices, gate), side)
  }

  /// One of the last messages once more, with another serial: what runs are made of. `isSpoilt`: with a number missing.
  func repeatLast(_ side: Side, isSpoilt: Bool = false) {
    let index = wire(side).sent.count - 1 - choices.pick([0, 0, 0, 1, 2])
    guard index >= 0, case let last = wire(side).sent[index], last.defect == nil else { return }
    if last.descriptorCount > 0 && !choices.chance(temper.keepsDescriptors) { return }
    var message = last.message
    // No bus gives a list of names in answer to something else.
    if message.isReply && message.texts?.contains(MessageScript.secret) ?? false { return }
    message.serial = message.serial == .max ? 2 : message.serial + 1
    if message.isReply {
      let waiting = side == .client ? gate.incoming.serials(of: message.destination ?? "") : gate.outgoing.keys.sorted()
      if !waiting.isEmpty && choices.chance(80) { message.replySerial = choices.pick(waiting) }
    }
    if message.signature == "ay" {
      message = message.padded(
        to: message.bytes.count - message.body.count + 4 + choices.below(choices.chance(80) ? 300 : 6000) + 1)
    }
    var said = MessageScript.Said(message: message, bytes: message.bytes, descriptors: last.descriptorCount)
    if choices.below(1000) >= 1000 - temper.spoilt || isSpoilt { said.spoil(&choices) }
    send(said, side)
  }

  func send(_ said: MessageScript.Said, _ side: Side) {
    if side == .bus { noteOwners(said) }
    let wire = wire(side)
    if !wire.isEnded {
      wire.send(said.message, said.bytes, defect: said.defect, lateBy: said.lateBy, descriptors: said.descriptors)
    }
  }

  /// Who owns a name on the bus, and so for the gate's observer, before this connection is told.
  private func noteOwners(_ said: MessageScript.Said) {
    let message = said.message
    guard said.defect == nil, message.type == 4, message.sender == MessageScript.driver,
      message.interface == MessageScript.driver,
      message.member == "NameOwnerChanged", let texts = message.texts, texts.count == 3
    else { return }
    if gate.isObserved { gate.observed.change(texts[0], texts[2]) }
    rig.changeOwner(texts[0], to: texts[2])
  }

  /// One read, if the server would read: of what comes before byte `end`.
  func deliver(_ side: Side, upTo end: Int = .max) {
    if rig.requests.contains(.connectBus) && rig.connectsAtOnce { isConnected = true }
    if !rig.wantsBytes(side) || (side == .bus && !isConnected) { return }
    let most = choices.pick([400, 8000, 40, 3])
    // What a fuzzer's input leaves is delivered in large pieces, or it would take for ever.
    var count = min(choices.isExhausted ? most : choices.below(most) + 1, end - wire(side).delivered)
    if side == .client && steps < firstIsHalfUntil, let first = client.sent.first {
      count = min(count, first.end - 1 - client.delivered)
    }
    if count <= 0 { return }
    // A bus says nothing to somebody who has not said Hello.
    if side == .bus && client.consumed < client.handshakeCount {
      count = min(count, bus.handshakeCount - bus.delivered)
      if count <= 0 { return }
    }
    let read = wire(side).read(upTo: count, descriptorsGiven: rig.descriptorsGiven)
    if !read.bytes.isEmpty { rig.feed(read.bytes, descriptors: read.descriptors, from: side) }
  }

  func wire(_ side: Side) -> Wire { side == .client ? client : bus }

  // MARK: What the session did

  /// The session dealt with so many bytes: the naive gate decides on the messages that begin among them.
  private func follow(_ side: Side, _ count: Int, _ wait: Output.Wait?) {
    wire(side).consumed += count
    tell?("\(steps) \(side): \(count) bytes dealt with, waits for \(wait.map { "\($0)" } ?? "nothing")")
    let isLookedAt = wait != nil && wire(side).consumed >= wire(side).handshakeCount
    if isLookedAt { gate.follow() }
    while failure == nil, wire(side).decided < wire(side).sent.count,
      wire(side).sent[wire(side).decided].start < wire(side).consumed
    {
      let item = wire(side).sent[wire(side).decided]
      if item.defect == .malformed { failure = Failure("a malformed message from the \(side) was dealt with: \(item.message)") }
      let isAllowed =
        side == .client ? gate.allowsOutgoing(item.message, item.size) : gate.allowsIncoming(item.message, item.size)
      wire(side).decide(isAllowed: isAllowed)
      if let complaint = gate.complaint { failure = Failure(complaint) }
      tell?("\(side): \(isAllowed ? "allowed" : "refused") \(item.size.message) bytes: \(item.message.told)")
      if isAllowed { if side == .client { passed.client += 1 } else { passed.bus += 1 } }
      if isLoggingEverything { compareDecision(item, side, isAllowed) }
    }
    if side == .client && gate.saysHello && gate.hello == .unsaid { noteOwnHello() }
  }

  /// The gate's own Hello comes before the message that wants it, which may still have to wait.
  private func noteOwnHello() {
    if rig.session.pendingReplies(.outgoing) == gate.outgoing.count || client.decided == client.sent.count { return }
    let next = client.sent[client.decided]
    if client.delivered >= next.start + next.size.header { gate.sayHello(avoiding: next.message.serial) }
  }

  /// Where everything is logged, each decision is looked at by itself, so that the first wrong one is named.
  private func compareDecision(_ item: Wire.Sent, _ side: Side, _ isAllowed: Bool) {
    let index = decisionsSeen
    decisionsSeen += 1
    guard index < rig.decisions.count else {
      failure = Failure("no decision was logged for \(item.message) from the \(side)")
      return
    }
    let (logged, verdict) = rig.decisions[index]
    if logged != side || verdict.passes != isAllowed { failure = Failure("\(verdict) for \(item.message) from the \(side)") }
  }
  private var decisionsSeen = 0

  private func withdraw(_ side: Side) {
    tell?("\(side): descriptors refused")
    let arrived = rig.peer(side.other).forwarded.count
    guard let message = wire(side).withdraw(at: arrived) else {
      failure = Failure("the kernel refused descriptors that no allowed message at \(arrived) from the \(side) has")
      return
    }
    gate.withdraw(
      message, isOutgoing: side == .client, roomToClient: rig.session.hasRoomForAnswers(to: .client),
      roomToBus: rig.session.hasRoomForAnswers(to: .bus))
  }
}
