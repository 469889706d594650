// One conversation of a client with the gate, and the driver that holds it in any pieces. The driver does as a session does:
// unconsumed bytes are presented again with more behind them, replies are taken when there is no room, questions are answered.

import GateSession
import Testing

/// The digits of the test's bus; of both cases, since a GUID passes as it is.
let testGUID = "0123456789abcdef0123456789ABCDEF"

/// What libdbus, and all others after it, send as identity of `uid`.
func identity(_ uid: String) -> String {
  uid.utf8.map { String($0, radix: 16) }.joined()
}

func testBus(unixFDs: Bool) -> BusIdentity {
  let digits = Array(testGUID.utf8)
  return BusIdentity(guid: InlineArray { digits[$0] }, unixFDs: unixFDs)
}

struct Conversation: Sendable, CustomTestStringConvertible {
  var name: String
  var uid: UInt32? = 1000
  var options = ServerHandshake.Options()
  var busPassesFDs = true
  /// Uids that are the peer's in its own namespace, so that the driver says yes.
  var namespaceUIDs: Set<UInt32> = []
  var input: String
  var output: String
  var step: ServerHandshake.Step
  /// What must not have been consumed.
  var rest = ""

  var testDescription: String { name }

  init(
    _ name: String, uid: UInt32? = 1000, options: ServerHandshake.Options = .init(), busPassesFDs: Bool = true,
    namespaceUIDs: Set<UInt32> = [], _ input: String, _ output: String, _ step: ServerHandshake.Step, rest: String = ""
  ) {
    self.name = name
    self.uid = uid
    self.options = options
    self.busPassesFDs = busPassesFDs
    self.namespaceUIDs = namespaceUIDs
    self.input = input
    self.output = output
    self.step = step
    self.rest = rest
  }
}

/// What came of a conversation.
struct ConversationResult: Equatable {
  var output = ""
  var step = ServerHandshake.Step.needsBytes
  var consumed = 0
  var claimedUIDs: [UInt32] = []
  var waitingMax = 0

  static func == (left: Self, right: Self) -> Bool {
    // How much waited at a time does depend on the pieces.
    left.output == right.output && left.step == right.step && left.consumed == right.consumed
      && left.claimedUIDs == right.claimedUIDs
  }
}

extension Conversation {
  enum BusKnown { case before, whenAsked }

  /// Holds the conversation; input arrives up to each of `cuts`, and then all of it.
  func held(in bytes: [UInt8], cuts: some Sequence<Int>, bus: BusKnown = .whenAsked) -> ConversationResult {
    var result = ConversationResult()
    var machine = ServerHandshake(peerUID: uid, options: options)
    var output = HandshakeOutput()
    if bus == .before { machine.provide(bus: testBus(unixFDs: busPassesFDs), into: &output) }
    for end in cuts {
      presenting: while true {
        let span = bytes.span
        let (consumed, step) = machine.receive(span.bytes.extracting(result.consumed..<end), into: &output)
        result.consumed += consumed
        result.step = step
        result.waitingMax = max(result.waitingMax, output.count)
        switch step {
        case .needsBytes, .begun, .close: break presenting
        case .needsRoom: result.output += output.drained()
        case .needsBus: machine.provide(bus: testBus(unixFDs: busPassesFDs), into: &output)
        case .needsIdentity(let uid):
          result.claimedUIDs.append(uid)
          machine.provide(identityAccepted: namespaceUIDs.contains(uid), into: &output)
        }
      }
    }
    result.output += output.drained()
    return result
  }

  func heldInOnePiece(bus: BusKnown = .whenAsked) -> ConversationResult {
    let bytes = Array(input.utf8)
    return held(in: bytes, cuts: [bytes.count], bus: bus)
  }
}

extension HandshakeOutput {
  /// What waits, as text, taken out.
  mutating func drained() -> String {
    let text = withBytes { bytes in bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    removeAll(keepingCapacity: true)
    return text
  }
}

/// SplitMix64: the same numbers from the same seed, everywhere.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
