// Where one direction of a session stands between two reads.

import GatePolicy
import Testing

@testable import GateSession

@Suite("where a stream stands")
struct MessageStreamTests {
  @Test(
    "the gate may say something unless the rest of a message that is forwarded is still to come",
    arguments: [(0, false, true), (0, true, true), (1, false, true), (1, true, false), (Int.max, true, false)])
  func boundary(remaining: Int, passes: Bool, isBoundary: Bool) {
    #expect(MessageStream(remaining: remaining, passes: passes).isAtMessageBoundary == isBoundary)
  }

  @Test("a stream begins in front of a message, of which nothing is owed")
  func start() {
    let stream = MessageStream()
    #expect(stream.isAtMessageBoundary && stream.remaining == 0 && stream.owedDescriptors == 0 && !stream.holdsDescriptors)
  }

  @Test("what is left of a message is counted, of each side by itself", arguments: [true, false], [Side.client, .bus])
  func rest(passes: Bool, side: Side) throws {
    let rig = try Rig.open(passes ? [rule(.outgoing), rule(.incoming)] : [])
    let message = Draft.signal(9, "Sig", from: side == .bus ? ":1.5" : nil).padded(to: 400).bytes
    rig.feed(Array(message[..<150]), from: side)
    #expect(rig.session.restByteCount(from: side) == (passes ? 250 : 0), "what is skipped nobody may take along")
    #expect(rig.isAtMessageBoundary(to: side.other) != passes && rig.isAtMessageBoundary(to: side))
    rig.feed(Array(message[150...]), from: side)
    #expect(rig.session.restByteCount(from: side) == 0 && rig.isAtMessageBoundary(to: side.other))
  }
}
