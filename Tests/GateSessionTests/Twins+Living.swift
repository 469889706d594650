// What happens to the twins, and whether both do the same.

import DBusWire
import GateSimulation

@testable import GateSession

private let driver = "org.freedesktop.DBus"

extension Twins {
  /// A kind of message, something that may matter to it, and the same kind again.
  mutating func scene() throws -> String? {
    let side: Side = choices.chance(50) ? .client : .bus
    let kind = said(by: side)
    func again(_ twins: inout Twins) throws -> String? {
      for _ in 0..<3 {
        var next = kind
        next.serial = twins.serial(side)
        if next.isAnswer {
          next.replySerial = side == .client ? twins.choices.pick(twins.recentIncoming).1 : twins.choices.pick(twins.recentCalls)
        }
        twins.say(next, side)
      }
      return try twins.compare()
    }
    if let fault = try again(&self) { return fault }
    if let fault = try change() { return fault }
    return try again(&self)
  }

  mutating func change() throws -> String? {
    switch choices.below(4) {
    case 0: say(driverSignal(), .bus)
    case 1: return try step(choices.pick([18, 19, 20]))
    case 2: return try step(23)
    default: return try step(choices.below(24))
    }
    return try compare()
  }

  mutating func step() throws -> String? {
    if choices.chance(40) { return try scene() }
    return try step(choices.below(24))
  }

  mutating func step(_ kind: Int) throws -> String? {
    switch kind {
    case 0...8: say(said(by: .client), .client)
    case 9...16: say(said(by: .bus), .bus)
    case 17 where !sent.isEmpty:
      let (draft, side) = choices.pick(sent)
      var next = draft
      next.serial = side == .client ? serial(.client) : serial(.bus)
      say(next, side)
    case 18:
      let policy = choices.pick(policies)
      tell("policy \(policy.identity)")
      for rig in twins where rig.close == nil { rig.reload(policy) }
    case 19:
      let name = choices.pick([":1.99", ":1.5", ":1.98"])
      tell("observer \(name)")
      for rig in twins {
        rig.owners.nameObserver(Array(name.utf8).span.bytes)
        rig.session.ownersChanged(isObserverNew: true)
      }
    case 20 where choices.chance(60):
      let lose = choices.chance(50), awaited = choices.chance(50)
      tell("owners lost \(lose) awaited \(awaited)")
      for rig in twins where rig.close == nil { if lose { rig.loseOwners(isAwaited: awaited) } else { rig.findOwners() } }
    case 21:
      let count = choices.below(2) + 1
      let isRefused = choices.chance(30)
      for rig in twins { rig.refusesDescriptors = isRefused }
      for _ in 0..<choices.below(5) + 1 {
        let side: Side = choices.chance(50) ? .client : .bus
        var draft = side == .client ? outgoing() : incoming()
        if draft.body.count > 0 { continue }
        draft.unixFDs = UInt32(count)
        for _ in 0..<3 {
          draft.serial = side == .client ? serial(.client) : serial(.bus)
          note(draft, side)
          feed(draft.bytes, count, side)
        }
      }
    default:
      while let message = own.popLast() {
        if choices.chance(80) { answerOwn(message) }
      }
    }
    return try compare()
  }

  /// What of the two is not the same, if anything is not.
  private mutating func compare() throws -> String? {
    let (one, other) = (twins[0], twins[1])
    let isSame = [
      ("end", "\(one.close as Any)" == "\(other.close as Any)"),
      ("bytes to the client", one.client.stream == other.client.stream),
      ("bytes to the bus", one.bus.stream == other.bus.stream),
      ("descriptors", descriptors(of: one) == descriptors(of: other)),
      ("decisions", one.decisions.map { "\($0)" } == other.decisions.map { "\($0)" }),
      ("waits", one.wait(.client) == other.wait(.client) && one.wait(.bus) == other.wait(.bus)),
      ("calls", one.session.pendingReplies(.outgoing) == other.session.pendingReplies(.outgoing)),
      ("incoming calls", one.session.pendingReplies(.incoming) == other.session.pendingReplies(.incoming)),
      ("refusals", refusals(of: one) == refusals(of: other)), ("name", one.name == other.name),
    ]
    if let fault = isSame.first(where: { !$0.1 }) { return fault.0 }
    // Half a message is what the client has not said the rest of.
    if one.isAtMessageBoundary(to: .bus) {
      for message in try Arrived.all(in: one.bus.stream).messages
      where message.destination == driver && (message.serial >= 0xFE00_0000 || message.member == "Hello")
        && message.flags & Draft.noReply == 0
      { own.append(message) }
      for rig in twins { rig.forget() }
    }
    return nil
  }

  private func descriptors(of rig: Rig) -> [[Int]] {
    [rig.closed, rig.client.descriptors.map(\.id), rig.bus.descriptors.map(\.id)]
  }

  private func refusals(of rig: Rig) -> [UInt64] {
    Verdict.Reason.allCases.flatMap { reason in [Side.client, .bus].map { rig.session.counters.refusals(from: $0, reason) } }
  }

  // MARK: A life

  /// Whether Hello was said and answered, mostly, and then what is to happen; returns what was not the same.
  mutating func live() throws -> String? {
    if choices.chance(90) { say(.driver(1, "Hello"), .client) }
    clientSerial = 1
    if choices.chance(90) {
      feed(Draft.answer(1, to: 1, of: Rig.name, from: driver).with([.string(Rig.name)]).bytes, 0, .bus)
    }
    for _ in 0..<70 where twins[0].close == nil {
      if let fault = try step() { return fault }
    }
    return nil
  }
}
