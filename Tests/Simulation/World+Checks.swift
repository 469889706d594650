// What has to hold after each step of a simulated world, and at its end.

import DBusWire
import GateSession

extension World {
  // MARK: What has to hold

  func check() throws {
    if let failure { throw failure }
    if let failure = rig.failures.first { throw Failure(failure) }
    if let difference = rig.difference { throw Failure(difference) }
    try checkBytes(.client)
    try checkBytes(.bus)
    try checkDescriptors()
    try checkOwn(.client)
    try checkOwn(.bus)
    try checkSecret()
    try checkMemory()
    try checkTime()
    if let reason = rig.close { try justify(reason) }
    if gate.cannotRelease && rig.close == nil { throw Failure("a name cannot be released, and the connection lives") }
    if gate.cannotFollow && rig.close == nil { throw Failure("names cannot be followed, and the connection lives") }
  }

  /// What arrived is what was allowed, as far as it was dealt with: not a byte more, and none less that could have left.
  private func checkBytes(_ side: Side) throws {
    let wire = wire(side), arrived = rig.peer(side.other).forwarded
    if arrived.count > wire.allowed.count || arrived[wire.compared...] != wire.allowed[wire.compared..<arrived.count] {
      throw Failure("other bytes than the allowed ones left for the \(side.other)")
    }
    wire.compared = arrived.count
    let dealtWith = arrived.count + rig.unsent(side)
    if dealtWith != wire.allowedConsumed {
      throw Failure("\(dealtWith) bytes from the \(side) were forwarded, \(wire.allowedConsumed) were allowed")
    }
  }

  private func checkDescriptors() throws {
    let placed = rig.bus.descriptors.count + rig.client.descriptors.count + rig.closed.count
    let held = rig.held(.client).count + rig.held(.bus).count
    if placed + held != rig.descriptorsGiven {
      throw Failure("\(rig.descriptorsGiven) descriptors in, \(placed) out or closed, \(held) held")
    }
    for side in [Side.client, .bus] where !wire(side).hasDefect {
      let arrived = rig.peer(side.other).descriptors.map(\.id)
      if !wire(side).descriptors.starts(with: arrived) {
        throw Failure("descriptors \(arrived) left for the \(side.other), allowed are \(wire(side).descriptors)")
      }
    }
  }

  private func checkMemory() throws {
    for side in [Side.client, .bus] {
      // Its own calls do not wait for room: there are at most 32 under way, 8 about callers, and one for each name that is taken away.
      let calls = side == .bus ? (gate.names != nil ? 16_384 : 0) + 2048 : 0, releases = side == .bus ? 64 * 256 : 0
      if rig.own(to: side) > ownMax + calls + releases {
        throw Failure("own output of \(rig.own(to: side)) bytes to the \(side)")
      }
      // What is looked at as a whole has to be in one buffer; so has a line of the handshake.
      let most = max(gate.limits.headerBytesMax, gate.limits.inspectBytesMax, 16_384)
      if rig.close == nil && rig.wantsBytes(side) && rig.unconsumed(side) > most {
        throw Failure("\(rig.unconsumed(side)) bytes from the \(side) kept")
      }
    }
    let (outgoing, incoming) = (rig.session.pendingReplies(.outgoing), rig.session.pendingReplies(.incoming))
    if outgoing != gate.outgoing.count { throw Failure("\(outgoing) outgoing calls pending, expected \(gate.outgoing.count)") }
    if incoming != gate.incoming.count { throw Failure("\(incoming) incoming calls pending, expected \(gate.incoming.count)") }
    if rig.name != gate.name { throw Failure("the client is called \"\(rig.name)\", expected \"\(gate.name)\"") }
  }

  // MARK: Time

  private func checkTime() throws {
    let now = rig.now.milliseconds
    let isBlocked = { [rig] (side: Side) in
      rig.own(to: side) > 0 && !rig.isAtMessageBoundary(to: side) && rig.unsent(side.other) == 0
    }
    blocked.client = isBlocked(.client) ? blocked.client ?? now : nil
    blocked.bus = isBlocked(.bus) ? blocked.bus ?? now : nil
    if rig.close != nil { return }
    let deadline = rig.deadline, expired = rig.expired
    if (deadline.map { $0 <= rig.now } ?? false) != (expired != nil) {
      throw Failure("the deadline is \(deadline as Any), it is \(rig.now) and expired is \(expired as Any)")
    }
    let isLate = [blocked.client, blocked.bus].contains { $0.map { now - $0 >= timeouts.partial } ?? false }
    if isLate && expired == nil { throw Failure("own output waits behind half a message for ever") }
    if let expired { rig.end(expired) }
  }

  // MARK: Ends

  /// The connection was closed: there has to be a reason.
  private func justify(_ reason: CloseReason) throws {
    let isInHandshake = client.consumed < client.handshakeCount
    let now = rig.now.milliseconds
    let isJust =
      switch reason {
      case .malformed(let side, _):
        wire(side).decided < wire(side).sent.count && wire(side).sent[wire(side).decided].defect == .malformed
      case .descriptorMismatch(let side): wire(side).sent.contains { $0.defect == .descriptors }
      case .handshake(let side, _): wire(side).hasDefect && wire(side).decided == 0
      case .busChanged: bus.hasDefect && bus.decided == 0
      case .authTimeout: (isInHandshake || !rig.requests.contains(.connectBus)) && now >= timeouts.auth
      case .helloTimeout: gate.hello != .answered && rig.connectedAt.map { now >= $0.milliseconds + timeouts.hello } ?? false
      case .partialMessageTimeout, .mutualWait: now >= timeouts.partial
      case .monitorRevoked:
        gate.isMonitor || bus.decided < bus.sent.count && gate.wouldGrantMonitor(bus.sent[bus.decided].message)
      case .nameNotReleased: gate.cannotRelease
      case .namesNotFollowed: gate.cannotFollow
      case .endOfStream, .drainTimeout: false
      }
    if !isJust { throw Failure("closed without a reason: \(reason)") }
  }

  /// Everything is delivered, and everybody takes what is there.
  func finish() throws {
    rig.refusesDescriptors = false
    firstIsHalfUntil = 0
    if rig.close == nil && choices.chance(15) { sayLast(choices.chance(50) ? .client : .bus) }
    // What does not move any more waits for something that does not happen: the bus for a Hello, a message for its other half.
    var idleCount = 0
    for _ in 0..<20_000 where rig.close == nil && idleCount < 10 {
      let before = (client.delivered, bus.delivered, client.consumed, bus.consumed)
      connect()
      for side in [Side.client, .bus] {
        rig.unstall(side)
        deliver(side)
      }
      answerGate()
      try check()
      let isIdle = before == (client.delivered, bus.delivered, client.consumed, bus.consumed)
      idleCount = isIdle ? idleCount + 1 : 0
      if isIdle && !gate.isObserved {
        observe()
      } else if isIdle && client.isDelivered && bus.isDelivered {
        break
      }
    }
    for side in [Side.client, .bus] { rig.unstall(side) }
    rig.compareCounters()
    try check()
    if rig.close == nil { try checkNothingIsLeft() }
    try checkMatches()
    try checkStream(.client, behind: ownStart.client)
    try checkStream(.bus, behind: ownStart.bus)
    try checkCounters()
  }

  /// The last that `side` says is what it said before, and then that without a number that no message may be without.
  private func sayLast(_ side: Side) {
    for _ in 0..<3 { repeatLast(side) }
    repeatLast(side, isSpoilt: true)
  }

  /// The bus says what the client's messages wait for.
  func answerGate() {
    // To a monitor nobody answers: whatever comes passes by.
    if bus.isEnded || !bus.isDelivered || !rig.isOpen || gate.isMonitor { return }
    if gate.name.isEmpty {
      if gate.hello == .unsaid { return }
      let signal = Draft.signal(
        1, to: Rig.name, interface: MessageScript.driver, "NameAcquired", path: "/org/freedesktop/DBus",
        from: MessageScript.driver)
      let said = signal.with([.string(Rig.name)])
      send(.init(message: said, bytes: said.bytes), .bus)
    }
    for (serial, call) in gate.outgoing.sorted(by: { $0.key > $1.key }) {
      var answer = Draft.answer(1, to: serial, of: gate.name.isEmpty ? Rig.name : gate.name, from: MessageScript.driver)
      switch call.purpose {
      case .ownHello: answer = answer.with([.string(Rig.name)])
      case .own(let asked): answer = MessageScript.answer(asked, answer)
      case .ownNameHasOwner: answer = answer.with([.boolean(true)])
      default: continue
      }
      send(.init(message: answer, bytes: answer.bytes), .bus)
    }
  }

  private func checkNothingIsLeft() throws {
    if client.isEnded || bus.isEnded || !rig.isOpen { return }
    for side in [Side.client, .bus] {
      let wire = wire(side)
      if wire.hasDefect { throw Failure("what was wrong with the \(side) did not end the connection: \(rig.wait(side))") }
      if wire.decided != wire.sent.count {
        throw Failure("\(wire.sent.count - wire.decided) messages from the \(side) wait for \(rig.wait(side))")
      }
      if rig.peer(side.other).descriptors.map(\.id) != wire.descriptors {
        throw Failure("not all descriptors reached the \(side.other)")
      }
      if rig.unconsumed(side) > 0 || !rig.held(side).isEmpty || rig.own(to: side) > 0 {
        throw Failure("something from or to the \(side) is left: \(rig.wait(side))")
      }
      let said = side == .client ? (gate.toClient, ownCount.client) : (gate.toBus, ownCount.bus)
      if said.1 != said.0.count { throw Failure("\(said.0.count - said.1) answers to the \(side) are missing") }
    }
  }

  /// What arrived behind the handshake are whole messages, whoever said them, and descriptors come with the first byte of theirs.
  private func checkStream(_ side: Side, behind handshake: Int?) throws {
    guard let handshake, rig.peer(side).stream.count >= handshake else { return }
    let (messages, rest) = try Arrived.all(in: Array(rig.peer(side).stream[handshake...]))
    if !rest.isEmpty && rig.close == nil && !wire(side.other).isEnded { throw Failure("half a message reached the \(side)") }
    var starts: Set<Int> = [handshake + messages.map(\.bytes.count).reduce(0, +)], place = handshake
    for message in messages {
      starts.insert(place)
      place += message.bytes.count
    }
    if !rig.peer(side).descriptors.allSatisfy({ starts.contains($0.place) }) {
      throw Failure("descriptors within a message to the \(side)")
    }
    let forwarded = wire(side.other).sent.filter { $0.allowedAt.map { $0 < rig.peer(side).forwarded.count } ?? false }.count
    let own = side == .client ? ownCount.client : ownCount.bus
    if messages.count + (rest.isEmpty ? 0 : 1) < forwarded + own {
      throw Failure("a message within a message reached the \(side)")
    }
  }

  private func checkCounters() throws {
    let counters = rig.session.counters
    for (side, count) in [(Side.client, passed.client), (.bus, passed.bus)] {
      var forwarded: UInt64 = 0, all = counters.kept(from: side)
      for type in 0..<SessionCounters.typeCount {
        forwarded += counters.messages(from: side, .allow, type: type) + counters.messages(from: side, .audit, type: type)
        all += counters.messages(from: side, .deny, type: type) + counters.messages(from: side, .drop, type: type)
      }
      if forwarded != count || all + forwarded != wire(side).decided {
        throw Failure(
          "\(forwarded) of \(all + forwarded) messages from the \(side) counted, expected \(count) of \(wire(side).decided)")
      }
      let bytes = counters.bytes(from: side, forwarded: true) + counters.bytes(from: side, forwarded: false)
      let expected = max(0, wire(side).consumed - wire(side).handshakeCount)
      if bytes != expected { throw Failure("\(bytes) bytes from the \(side) counted, expected \(expected)") }
    }
  }
}
