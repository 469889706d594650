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
}
