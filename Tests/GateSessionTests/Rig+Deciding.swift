// What a rig's mediator says of a message, and does because of one, without the rest of a session around it; and what the session remembers.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

extension Draft {
  /// Calls `body` with the message as who decides on it sees it; all of it is there.
  func withView<R>(_ body: (MessageView) throws -> R) throws -> R {
    let bytes = bytes
    let frame = try MessageFrame(bytes.span.bytes)
    var headers = InlineArray<1, MessageHeader>(repeating: MessageHeader())
    try headers[0].read(bytes.span.bytes, frame: frame)
    return try body(MessageView(bytes.span.bytes, header: headers.span))
  }
}

extension Draft {
  /// The same, without the wish for an answer.
  var silent: Draft { changed { $0.flags = Draft.noReply } }

  /// Where the string stands that is the first argument.
  func firstArgument() throws -> ByteRange {
    try withView { try $0.leadingString(expected: signature == "su" ? "su" : "s") }
  }

  /// What changes with a match rule that this adds or removes, whose answer may not be certain.
  func matchRuleChange(_ hash: UInt64) throws -> MatchRuleChange {
    MatchRuleChange(
      hash: hash, text: try firstArgument(), isAnsweredHere: false, mayAskForOwnerChange: false, isCertain: false)
  }
}

extension Decision {
  /// Whether the next message with the same header may get it too.
  var isLasting: Bool { validity == .whileNothingChanges }
}

extension Rig {
  /// What is said of a message, which changes nothing.
  func judge(_ draft: Draft, from side: Side) throws -> Progress {
    try draft.withView {
      switch side {
      case .client: session.mediator.judgeFromClient($0, policy, at: now)
      case .bus: session.mediator.judgeFromBus($0, policy, at: now)
      }
    }
  }

  /// What is decided about a message that needs nothing else.
  func decision(on draft: Draft, from side: Side) throws -> Decision {
    let progress = try judge(draft, from: side)
    guard case .decided(let decision) = progress else {
      Issue.record("not decided: \(progress)")
      throw NotDecided()
    }
    return decision
  }

  struct NotDecided: Error {}

  /// Does what a decision about `draft` would change. Returns what a table has no room for.
  func apply(_ effect: Effect, _ draft: Draft, _ verdict: Verdict = Verdict(.allow, .rule)) throws -> Verdict.Reason? {
    var output = Output()
    return try apply(effect, draft, verdict, &output)
  }

  /// The same, and what is asked of whoever drives the session.
  func apply(
    _ effect: Effect, _ draft: Draft, _ verdict: Verdict = Verdict(.allow, .rule), _ output: inout Output
  ) throws -> Verdict.Reason? {
    let policy = policy
    return try draft.withView { session.mediator.apply(Decision(verdict, effect), $0, policy, &output) }
  }

  /// What waits for `side` of what the gate says itself.
  func said(to side: Side) throws -> [Arrived] {
    try Arrived.all(in: session.withLocalOutput(to: side) { Array($0) }).messages
  }

  var epoch: UInt64 { session.mediator.epoch }

  /// What is remembered of the messages with this header; nil: not even the header.
  func remembered(_ draft: Draft, from side: Side) -> CachedDecision? {
    let bytes = draft.bytes
    return unsafe session.findInCache(bytes.span.bytes, 0, side)?.entry.pointee.decision
  }

  func hash(_ name: String) -> UInt64 {
    let bytes = Array(name.utf8)
    return session.mediator.settings.seed.hash(bytes.span.bytes)
  }

  // MARK: What decisions change

  /// All that a decision may change, in words.
  var state: [String] {
    [
      "calls \(session.mediator.replies.outgoingCount)", "own calls \(session.mediator.replies.ownCallCount)",
      "incoming calls \(session.mediator.replies.incomingCount)", "match rules \(session.mediator.matches.count)",
      "names asked for \(hasRequestedNames), next \(session.mediator.names.number(of: 0))",
      "Hello \(session.mediator.registration.phase)", "name \(name)",
      "monitor \(session.mediator.registration.isMonitor)", "epoch \(epoch)", "to the client \(own(to: .client))",
      "to the bus \(own(to: .bus))",
    ]
  }

  func awaited(_ serial: UInt32) -> PendingCall? { session.mediator.replies.awaited(serial) }

  /// A call of the client's waits for its answer.
  func expect(_ serial: UInt32, _ purpose: CallPurpose, detail: UInt64 = 0) {
    let refusal = session.mediator.replies.expect(
      PendingCall(serial: serial, purpose: purpose, expectedSender: .driver, detail: detail))
    #expect(refusal == nil)
  }

  var hasRequestedNames: Bool { !session.mediator.names.isEmpty }
  func mayClientReply(_ caller: String, _ serial: UInt32) -> Bool {
    session.mediator.replies.mayClientReply(to: hash(caller), serial)
  }
  func owns(_ name: String) -> Bool { session.mediator.names.owns(hash(name)) }

  /// The client asks for a name, and for no answer.
  func requestSilently(_ name: String) throws {
    let request = Draft.driver(8, "RequestName", .string(name), .number(0)).silent
    let effect = DriverCallEffect.requestName(hash: hash(name), name: try request.firstArgument(), isCertain: false)
    #expect(try apply(.driverCall(effect), request) == nil)
  }
}
