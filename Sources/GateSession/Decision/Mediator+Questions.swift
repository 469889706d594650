// What the driver is asked about a name, and answers when another policy is in force: whether that one lets the client know.
//
// Answers under the policy of the question pass as they are: it was asked then.

import DBusWire
import GatePolicy

extension DriverMethod {
  /// What it asks about the name that is its only argument; nil: it is no question about a name.
  var question: NameQuestion.Kind? {
    switch names {
    // It is the one that answers, for a name that is not visible, with a value instead of an error.
    case .see: withBytes(of: member) { $0.isEqual(to: "NameHasOwner") } ? .hasOwner : .aboutVisible
    case .own: inspection == .none ? .aboutOwnable : nil
    case .none, .talk, .list: nil
    }
  }
}

extension Mediator {
  /// Lets a question pass whose name nobody has looked at.
  func forwardQuestion(
    _ kind: NameQuestion.Kind, _ verdict: Verdict, _ message: MessageView, _ policy: Policy
  ) -> Progress {
    var place = ByteRange()
    if isShortEnough(message) {
      if !message.isComplete { return .needsBody }
      do throws(WireError) {
        place = try message.leadingString(expected: "s")
      } catch {
        place = ByteRange()  // the bus will say what is wrong with it
      }
    }
    return .decided(forwardQuestion(kind, verdict, about: place, message, policy))
  }

  /// Lets a question pass; what it asks about stays known until it is answered.
  func forwardQuestion(
    _ kind: NameQuestion.Kind, _ verdict: Verdict, about place: ByteRange, _ message: MessageView, _ policy: Policy
  ) -> Decision {
    let isName = !place.isAbsent && place.count <= BusName.byteCountMax
    if !isName || !message.wantsReply { return forward(message, verdict, .question, detail: policy.identity) }
    return Decision(verdict, .driverCall(.askAboutName(name: place, kind)))
  }

  /// Decides on the answer to a question.
  @inline(never)
  func judgeQuestionReply(_ call: PendingCall, _ policy: Policy) -> Progress {
    let passing = Progress.decided(Verdict(.allow, .reply), .driverReply(.question))
    if call.detail == policy.identity || policy.names == nil || settings.mode == .audit { return passing }
    let question = replies.question(call.serial)
    let level = question.map { self.level(of: unsafe $0.name.span.bytes, policy) } ?? .none
    if let question, level >= question.kind.level { return passing }
    if question?.kind == .hasOwner {
      return local.toClient.hasRoom ? .drop(.filtered, .driverReply(.replaceQuestion)) : .wait(.localOutput(.client))
    }
    return .deny(level >= .see ? .noRule : .hiddenOwner)
  }
}
