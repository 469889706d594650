// What a session makes of the bytes that it is given, to be compared with what another makes of them.

import GateSession

/// What came of one call of ``GateSession/Session/receive(_:from:descriptors:policy:at:into:)``.
struct Dealt: Equatable, CustomStringConvertible {
  private struct Action: Equatable {
    let kind: Output.Action.Kind
    let offset: UInt32, count: UInt32
    let descriptors: UInt16

    init(_ action: Output.Action) {
      (kind, offset, count, descriptors) = (action.kind, action.offset, action.count, action.descriptors)
    }
  }

  private struct Decision: Equatable {
    let offset: UInt32
    let verdict: Verdict
  }

  private let consumed: Int
  /// What leaves, in order.
  private var actions: [Action] = []
  private var decisions: [Decision] = []
  private var wait = "bytes", close = ""
  private var requests: Output.Requests = []

  /// A message, or several, that go on as they are.
  init(passing count: Int, descriptors: Int) {
    consumed = count
    actions = [Action(.init(kind: .forward, descriptors: UInt16(descriptors), offset: 0, count: UInt32(count)))]
  }

  init(_ consumed: Int, _ output: inout Output) {
    self.consumed = consumed
    for i in 0..<output.actionCount { actions.append(Action(output.action(i))) }
    for i in 0..<output.decisionCount {
      var decision = output.decision(i)
      // What audit mode lets pass to a hidden name is remembered with its reason, also when a call has made the name known since. Only the
      // log can tell; until that is mended its reasons are not compared.
      if decision.verdict.action == .audit { decision.verdict.reason = .noRule }
      decisions.append(Decision(offset: decision.offset, verdict: decision.verdict))
    }
    (wait, close, requests) = ("\(output.wait)", output.close.map { "\($0)" } ?? "", output.requests)
  }

  var description: String {
    let leaving = actions.map { "\($0.kind) \($0.offset)+\($0.count) with \($0.descriptors)" }
    let decided = decisions.map { "\($0.verdict.action) \($0.verdict.reason) at \($0.offset)" }
    return "\(consumed) bytes consumed, \(leaving), \(decided), waiting for \(wait)\(close.isEmpty ? "" : ", closing: \(close)")"
  }
}
