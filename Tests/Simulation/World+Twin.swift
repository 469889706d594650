// A world whose session remembers nothing of the last messages, beside the same one whose session does: what is remembered saves time, and
// changes nothing that anybody can see.

import GateSession

extension World {
  /// Everything that can be seen of a life from outside, when it is over.
  package struct Outcome: Equatable {
    let toClient: [UInt8], toBus: [UInt8]
    let descriptors: [[Int]]
    let close: String, decisions: [String]
  }

  package var outcome: Outcome {
    Outcome(
      toClient: rig.client.stream, toBus: rig.bus.stream,
      descriptors: [rig.client.descriptors.map(\.id), rig.bus.descriptors.map(\.id), rig.closed.sorted()],
      close: rig.close.map { "\($0)" } ?? "", decisions: rig.decisions.map { "\($0.side) \($0.verdict)" })
  }

  /// Lives the life of a seed once more without remembering anything, and compares the two.
  /// Where peers stall that cannot be compared: what is passed on without a look is cut elsewhere, and waits elsewhere.
  package func compareWithTwin(_ seed: UInt64) throws {
    if temper.stalls != .never { return }
    let twin = try World(Choices(seed: seed), remembers: false)
    try twin.run()
    if twin.outcome == outcome { return }
    let (one, other) = (outcome, twin.outcome)
    let parts = [
      ("the bytes to the client", one.toClient == other.toClient), ("the bytes to the bus", one.toBus == other.toBus),
      ("the descriptors", one.descriptors == other.descriptors), ("the end", one.close == other.close),
      ("the decisions", one.decisions == other.decisions),
    ]
    throw Failure("without a memory of the last messages \(parts.first { !$0.1 }?.0 ?? "nothing") would have been others")
  }
}
