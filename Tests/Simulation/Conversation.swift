// The handshakes of a simulated connection: what the client says, what the bus says, and what both come to. Some are wrong.

import GateSession

/// What is said before the first message.
struct Conversation {
  private(set) var fromClient = "\0"
  private(set) var fromBus = ""
  /// What the gate says to the bus.
  private(set) var toBus = "\0AUTH EXTERNAL 353030\r\n"
  /// How many lines the client is answered with.
  private(set) var lineCount = 0
  private(set) var isClientWrong = false, isBusWrong = false
  /// Whether the bus takes descriptors.
  let agrees: Bool
  /// What the gate knows of the bus before.
  private(set) var known: BusIdentity?

  /// What clients say until they are told OK, and how many lines it is answered with.
  private static let openings: [(text: String, lines: Int)] = [
    ("AUTH EXTERNAL 31303030\r\n", 1), ("AUTH EXTERNAL\r\nDATA\r\n", 2), ("AUTH\r\nAUTH EXTERNAL 31303030\r\n", 2),
    ("HUH\r\nAUTH EXTERNAL 31303030\r\n", 2), ("AUTH ANONYMOUS\r\nAUTH EXTERNAL 31303030\r\n", 2),
    ("AUTH EXTERNAL 31303031\r\nAUTH EXTERNAL 31303030\r\n", 2), ("AUTH EXTERNAL\r\nCANCEL\r\nAUTH EXTERNAL 31303030\r\n", 3),
  ]
  private static let wrongOpenings = [
    "BEGIN\r\n", String(repeating: "AUTH\r\n", count: 6), String(repeating: "A", count: 17_000),
  ]
  private static let wrongAnswers = [
    "REJECTED EXTERNAL\r\n", "OK 1234\r\n", "ERROR\r\n", "l\u{1}\u{1}\u{1}\r\n", "AGREE_UNIX_FD\r\n",
  ]

  init(_ choices: inout Choices, _ gate: inout ReferenceGate) {
    let opening = choices.pick(Self.openings)
    let negotiates = choices.chance(70)
    agrees = choices.chance(85)
    fromClient += opening.text + (negotiates ? "NEGOTIATE_UNIX_FD\r\n" : "") + "BEGIN\r\n"
    lineCount = opening.lines + (negotiates ? 1 : 0)
    if choices.chance(60) {
      known = Rig.identity
      if !agrees && choices.chance(80) { known?.unixFDs = false }
    }
    // What the gate finds out of a bus of which it knows nothing is so.
    gate.clientTakesDescriptors = negotiates && known?.unixFDs ?? agrees
    let isAsked = gate.clientTakesDescriptors
    gate.busTakesDescriptors = isAsked
    toBus += (isAsked ? "NEGOTIATE_UNIX_FD\r\n" : "") + "BEGIN\r\n"
    fromBus = "OK \(Rig.guid)\r\n" + (isAsked ? agrees ? "AGREE_UNIX_FD\r\n" : "ERROR no\r\n" : "")
    // The client was told that descriptors pass.
    isBusWrong = gate.clientTakesDescriptors && !agrees
    if choices.chance(3) {
      isClientWrong = true
      fromClient = choices.chance(20) ? "AUTH EXTERNAL\r\n" : "\0" + choices.pick(Self.wrongOpenings)
    } else if choices.chance(3) {
      isBusWrong = true
      fromBus = choices.pick(Self.wrongAnswers)
    } else if known != nil && choices.chance(3) {
      isBusWrong = true
      fromBus = "OK \(Rig.guid.reversed().map(String.init).joined())\r\n" + (isAsked ? "AGREE_UNIX_FD\r\n" : "")
    }
  }
}
