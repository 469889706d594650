// What GateServer does with sockets, done with arrays: bytes are offered to the session, what comes of it is carried out, and whatever waits is
// tried again.

import DBusWire
import GatePolicy
import GateSession

extension Rig {
  func pipe(_ side: Side) -> Pipe { side == .client ? fromClient : fromBus }

  func edit<R>(_ side: Side, _ change: (inout Pipe) -> R) -> R {
    side == .client ? change(&fromClient) : change(&fromBus)
  }

  func editPeer(_ side: Side, _ change: (inout Peer) -> Void) {
    if side == .client { change(&client) } else { change(&bus) }
  }

  func check(_ holds: Bool, _ failure: @autoclosure () -> String) {
    if !holds { failures.append(failure()) }
  }

  func pump(_ side: Side) {
    while close == nil && pipe(side).unsent.isEmpty && !pipe(side).inbox.isEmpty {
      forwardFromCache(side)
      let bytes = pipe(side).inbox
      if bytes.isEmpty || !pipe(side).unsent.isEmpty { return }
      output.removeAll()
      let consumed = session.receive(
        bytes.span.bytes, from: side, descriptors: pipe(side).descriptors.count, policy: policy, at: now, into: &output)
      check(consumed <= bytes.count, "consumed \(consumed) of \(bytes.count) bytes")
      if let twin {
        twin.receive(
          bytes, from: side, descriptors: pipe(side).descriptors.count, policy: policy, at: now,
          expected: Dealt(consumed, &output))
        twin.compare(with: &session)
      }
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
  func forwardFromCache(_ side: Side) {
    if !session.isIdle || !pipe(side.other).unsent.isEmpty { return }
    let bytes = pipe(side).inbox
    let descriptors = pipe(side).descriptors
    let count = session.forwardFromCache(bytes.span.bytes, from: side, descriptors: descriptors.count, policy: policy.identity)
    check(count <= bytes.count, "passed \(count) of \(bytes.count) bytes")
    if count == 0 { return }
    if let twin {
      twin.receivePassing(Array(bytes[..<count]), from: side, descriptors: descriptors.count, policy: policy, at: now)
      twin.compare(with: &session)
    }
    edit(side) {
      $0.inbox.removeFirst(count)
      $0.unsent.append(.forwarded(Array(bytes[..<count]), descriptors: descriptors))
      $0.descriptors = []
    }
    onDealt?(side, count, nil)
    send(to: side.other)
  }

  func carryOut(_ action: Output.Action, _ bytes: [UInt8], _ side: Side) {
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

  func send(to side: Side) {
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

  func forward(_ bytes: [UInt8], _ descriptors: [Int], to side: Side) -> Int {
    let count = min(bytes.count, peer(side).room)
    editPeer(side) {
      $0.descriptors += descriptors.map { [place = $0.stream.count] in (place, $0) }
      $0.stream += bytes[..<count]
      $0.forwarded += bytes[..<count]
      if $0.room != .max { $0.room -= count }
    }
    return count
  }

  func sendOwn(_ wanted: Int, to side: Side) -> Int {
    let count = min(wanted, peer(side).room)
    let own = session.withLocalOutput(to: side) { Array($0.prefix(count)) }
    check(own.count == count, "\(count) bytes of the own output leave where there are \(own.count)")
    session.localOutputSent(own.count, to: side)
    twin?.localOutputSent(own.count, to: side)
    editPeer(side) {
      $0.stream += own
      $0.own += own
      if $0.room != .max { $0.room -= own.count }
    }
    return count
  }

  func fulfil(_ requested: Output.Requests) {
    requests.formUnion(requested)
    if requested.contains(.resumeClient) { fromClient.wait = .room }
    if requested.contains(.identifyBus) { identifyBus() }
    if requested.contains(.connectBus) && connectsAtOnce { tellConnected() }
  }

  func identifyBus() {
    output.removeAll()
    session.busIdentified(identity, into: &output)
    twin?.busIdentified(identity)
    fromClient.wait = .room
    if close == nil { close = output.close }
  }

  func identify() {
    output.removeAll()
    session.identify(accepted: acceptsIdentity, into: &output)
    twin?.identify(accepted: acceptsIdentity)
    fromClient.wait = output.wait
    let requested = output.requests
    if close == nil { close = output.close }
    fulfil(requested)
  }

  func flush(to side: Side) -> Bool {
    let count = session.localOutputCount(to: side)
    if count == 0 || peer(side).room == 0 || !pipe(side.other).unsent.isEmpty || !session.isAtMessageBoundary(to: side) {
      return false
    }
    _ = sendOwn(count, to: side)
    return true
  }

  func resume(_ side: Side) -> Bool {
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

  func flushAndResume() {
    while close == nil {
      let progress = [flush(to: .client), flush(to: .bus), resume(.client), resume(.bus)]
      if !progress.contains(true) { break }
    }
    let isBusy = (client: !fromBus.unsent.isEmpty, bus: !fromClient.unsent.isEmpty)
    session.countPartialWaits(receiverIsBusy: isBusy, at: now)
    if let twin {
      twin.countPartialWaits(receiverIsBusy: isBusy, at: now)
      twin.compare(with: &session)
    }
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

  func refuse(_ bytes: [UInt8], from side: Side) -> (count: Int, verdict: Verdict) {
    onRefusal?(side)
    let (count, decision) = session.withdraw(bytes.span.bytes, from: side, policy: policy)
    check(count <= bytes.count, "withdrew \(count) of \(bytes.count) bytes")
    twin?.withdraw(bytes, from: side, policy: policy, expected: count)
    return (count, decision.verdict)
  }
}
