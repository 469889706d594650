// A session that remembers nothing of the last messages, beside one that does: what is remembered saves time, and changes nothing that
// anybody can see. The Rig tells this one whatever it tells the other, and offers it the bytes that the other was offered; where that one
// let some go by without a look at each message, those alone. So both are cut and wait at the same places, and after each step everything
// has to be the same.

import DBusWire
import GatePolicy
import GateSession

/// The session that remembers nothing.
final class Twin {
  private var session: Session
  private var output = Output()
  /// The first thing in which the two were not the same.
  private(set) var difference: String?

  init(_ session: consuming Session) {
    self.session = session
    self.session.rememberNothing()
  }

  private func check(_ holds: Bool, _ what: @autoclosure () -> String) {
    if !holds && difference == nil { difference = "without a memory of the last messages \(what())" }
  }

  // MARK: Bytes

  /// The other one has received `bytes`, and came to `expected`.
  func receive(_ bytes: [UInt8], from side: Side, descriptors: Int, policy: Policy, at now: Instant, expected: Dealt) {
    output.removeAll()
    let consumed = session.receive(
      bytes.span.bytes, from: side, descriptors: descriptors, policy: policy, at: now, into: &output)
    let dealt = Dealt(consumed, &output)
    check(dealt == expected, "\(dealt) would have come of \(bytes.count) bytes from the \(side), and not \(expected)")
  }

  /// The other one has let `bytes` pass without a look at each message: the rest of one, and others.
  func receivePassing(_ bytes: [UInt8], from side: Side, descriptors: Int, policy: Policy, at now: Instant) {
    // The rest passes as well before another policy is in force.
    let rest = min(bytes.count, session.restByteCount(from: side))
    if rest > 0 { session.passedRest(rest, from: side) }
    if rest == bytes.count { return }
    receive(
      Array(bytes[rest...]), from: side, descriptors: descriptors, policy: policy, at: now,
      expected: Dealt(passing: bytes.count - rest, descriptors: descriptors))
  }

  func passedRest(_ count: Int, from side: Side) {
    let rest = session.restByteCount(from: side)
    check(rest >= count, "\(rest) bytes of a message from the \(side) would be to come where \(count) are passed on")
    if rest >= count { session.passedRest(count, from: side) }
  }

  func localOutputSent(_ count: Int, to side: Side) {
    let waiting = session.localOutputCount(to: side)
    check(waiting >= count, "\(waiting) own bytes would wait for the \(side) where \(count) left")
    if waiting >= count { session.localOutputSent(count, to: side) }
  }

  func withdraw(_ bytes: [UInt8], from side: Side, policy: Policy, expected: Int) {
    let count = session.withdraw(bytes.span.bytes, from: side, policy: policy).count
    check(count == expected, "\(count) bytes would have been withdrawn, and not \(expected)")
  }

  // MARK: Events

  func busConnected(at now: Instant) { _ = session.busConnected(at: now, over: .unix) }

  func busIdentified(_ identity: BusIdentity) {
    output.removeAll()
    session.busIdentified(identity, into: &output)
  }

  func identify(accepted: Bool) {
    output.removeAll()
    session.identify(accepted: accepted, into: &output)
  }

  func ownersChanged(isObserverNew: Bool = false) { session.ownersChanged(isObserverNew: isObserverNew) }

  func takeBack(under policy: Policy, expected: CloseReason?) {
    let close = session.takeBack(under: policy)
    check(close == expected, "another policy would have led to \(close as Any), and not \(expected as Any)")
  }

  func countPartialWaits(receiverIsBusy: (client: Bool, bus: Bool), at now: Instant) {
    session.countPartialWaits(receiverIsBusy: receiverIsBusy, at: now)
  }

  // MARK: Comparing

  /// Looks for something that `other`, which remembers, says of itself and this one does not.
  func compare(with other: inout Session) {
    for side in [Side.client, .bus] {
      let isSame = other.withLocalOutput(to: side) { one in
        session.withLocalOutput(to: side) { one.count == $0.count && one.elementsEqual($0) }
      }
      check(isSame, "the gate would have said something else to the \(side)")
      check(
        session.isAtMessageBoundary(to: side) == other.isAtMessageBoundary(to: side),
        "a message to the \(side) would have ended elsewhere")
      check(
        session.restByteCount(from: side) == other.restByteCount(from: side), "a message from the \(side) would go on elsewhere")
    }
    for direction in [Direction.outgoing, .incoming] {
      let (count, expected) = (session.pendingReplies(direction), other.pendingReplies(direction))
      check(count == expected, "\(count) \(direction) calls would be under way, and not \(expected)")
    }
    let (deadline, expected) = (session.deadline, other.deadline)
    check(deadline == expected, "the deadline would be \(deadline as Any), and not \(expected as Any)")
    check(session.isIdle == other.isIdle, "the session would \(session.isIdle ? "" : "not ")be idle")
  }

  /// Looks for something that was counted otherwise.
  func compare(_ others: SessionCounters) {
    let counters = session.counters
    for side in [Side.client, .bus] {
      for reason in Verdict.Reason.allCases {
        let (count, expected) = (counters.refusals(from: side, reason), others.refusals(from: side, reason))
        check(count == expected, "\(count) messages from the \(side) would be refused for \(reason), and not \(expected)")
      }
      for type in 0..<SessionCounters.typeCount {
        for action in [Verdict.Action.allow, .audit, .deny, .drop] {
          let count = counters.messages(from: side, action, type: type)
          let expected = others.messages(from: side, action, type: type)
          check(count == expected, "\(count) messages of type \(type) from the \(side) would be \(action), and not \(expected)")
        }
      }
      let (count, expected) = (
        counters.bytes(from: side, forwarded: true), others.bytes(from: side, forwarded: true)
      )
      check(count == expected, "\(count) bytes from the \(side) would have passed, and not \(expected)")
    }
  }
}
