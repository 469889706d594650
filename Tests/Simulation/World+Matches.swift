// What has to hold of match rules, whoever removes what and whatever the bus refuses: the gate's own are there, and those that the client
// added and did not remove. Looked at from the bus's side, which counts one connection's rules without regard to who added them.

import GateSession

extension World {
  /// Plays the bus that refuses whatever it may have refused, over all that it was told.
  func checkMatches() throws {
    var there: [String: Int] = [:], own: [String: Int] = [:], clients: [String: Int] = [:]
    for event in gate.matchLog {
      let rule = event.rule
      switch (event.does, event.isOwn, event.isAnsweredHere) {
      case (.add, true, _):
        there[rule, default: 0] += 1
        own[rule, default: 0] += 1
      case (.remove, true, _):
        if there[rule, default: 0] > 0 { there[rule, default: 0] -= 1 }
        own[rule] = 0  // of several all go
      case (.add, false, true): clients[rule, default: 0] += 1
      case (.add, false, false):
        if !event.hasSucceeded { continue }
        there[rule, default: 0] += 1
        clients[rule, default: 0] += 1
      case (.remove, false, true): clients[rule, default: 0] -= 1
      case (.remove, false, false):
        if there[rule, default: 0] == 0 { continue }
        there[rule, default: 0] -= 1
        // It may be one of those that the gate has more than once for this.
        if clients[rule, default: 0] > 0 { clients[rule, default: 0] -= 1 }
      }
      if own[rule, default: 0] > 0 && there[rule, default: 0] == 0 { throw Failure("the gate's own rule is gone: \(rule)") }
      if clients[rule, default: 0] > 0 && there[rule, default: 0] == 0 {
        throw Failure("a rule of the client's is gone: \(rule)")
      }
    }
    try checkOrder()
  }

  /// The bus was told in this order.
  private func checkOrder() throws {
    guard rig.bus.stream.count >= ownStart.bus else { return }
    let (messages, _) = try Arrived.all(in: Array(rig.bus.stream[ownStart.bus...]))
    let told = messages.filter {
      $0.type == .methodCall && ($0.member == "AddMatch" || $0.member == "RemoveMatch")
        && ($0.destination == MessageScript.driver || $0.destination.isEmpty)
    }
    let expected = gate.matchLog.filter { !$0.isAnsweredHere }
    for (message, event) in zip(told, expected) {
      if message.serial != event.serial || (message.member == "AddMatch") != (event.does == .add) {
        throw Failure("the bus was told \(message.member) \(message.serial) where \(event) was due")
      }
    }
    if told.count > expected.count { throw Failure("the bus was told of a match rule unasked") }
  }
}
