// What the driver is asked about a name, and answers when another policy is in force: whether that one lets the client know. The name
// stands in the question alone, so it is kept until the answer comes.
//
// Answers under the policy of the question pass as they are: it was asked then.

import DBusWire
import GatePolicy

/// A question about a name that the driver has not answered.
struct NameQuestion {
  let serial: UInt32
  let name: [UInt8]
  /// How far the name has to be open.
  let level: NameLevel
  /// Whether the answer is a boolean: NameHasOwner.
  let isBoolean: Bool

  /// More questions than this are not remembered; what they ask about counts as hidden if the policy changes. Untuned.
  static let questionsMax = 256
}

extension DriverMethod {
  /// How far the name that is the only argument has to be open for an answer; nil: it is no question about a name.
  var questionLevel: NameLevel? {
    switch names {
    case .see: .see
    case .own: inspection == .none ? .own : nil
    case .none, .talk, .list: nil
    }
  }

  /// Whether this is the method that answers, for a name that is not visible, with a value instead of an error.
  var isNameHasOwner: Bool { withBytes(of: member) { $0.isEqual(to: "NameHasOwner") } }
}

extension Session {
  /// Lets a question pass whose name nobody has looked at. Nil: the body is needed for that.
  mutating func allowQuestion(
    _ method: DriverMethod, _ verdict: Verdict, _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy
  ) -> Verdict? {
    let isTooLong = header.frame.messageByteCount > settings.limits.inspectBytesMax
    if !isTooLong && !isComplete { return nil }
    var name = RawSpan()
    if !isTooLong {
      let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
      do throws(WireError) {
        let place = try MessageArguments.leadingString(
          in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature), expected: "s")
        name = body.extracting(Int(place.offset)..<Int(place.offset) + Int(place.count))
      } catch {
        name = RawSpan()  // the bus will say what is wrong with it
      }
    }
    return allowQuestion(method, verdict, about: name, header, policy)
  }

  mutating func allowQuestion(
    _ method: DriverMethod, _ verdict: Verdict, about name: RawSpan, _ header: MessageHeader, _ policy: Policy
  ) -> Verdict {
    guard let level = method.questionLevel else { preconditionFailure("no question about a name") }
    let allowed = allowDriverCall(header, .question, detail: policy.identity, verdict)
    let isName = name.byteCount > 0 && name.byteCount <= ClientNames.nameBytesMax
    if !allowed.passes || !isName || header.frame.flags.contains(.noReplyExpected) { return allowed }
    if questions.count < NameQuestion.questionsMax {
      questions.append(
        NameQuestion(
          serial: header.frame.serial, name: unsafe name.withUnsafeBytes { unsafe Array($0) }, level: level,
          isBoolean: method.isNameHasOwner))
    }
    return allowed
  }

  /// Decides on the answer to a question. Nil: there is no room for another answer.
  @inline(never)
  mutating func judgeQuestionAnswer(
    _ call: PendingCall, _ header: MessageHeader, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    if call.detail == policy.identity || policy.names == nil || settings.mode == .audit {
      forgetQuestion(header.replySerial)
      return Verdict(.allow, .reply)
    }
    let question = questions.first { $0.serial == header.replySerial }
    let level = question.map { self.level(of: unsafe $0.name.span.bytes, policy) } ?? .none
    if let question, level >= question.level {
      forgetQuestion(header.replySerial)
      return Verdict(.allow, .reply)
    }
    if question?.isBoolean ?? false {
      if !ownToClient.hasRoom {
        output.wait = .localOutput(.client)
        return nil
      }
      forgetQuestion(header.replySerial)
      answerNobody(header, to: header.replySerial)
      return Verdict(.drop, .filtered)
    }
    // Answered in its place: see answerInstead.
    return Verdict(.deny, level >= .see ? .noRule : .hiddenOwner)
  }

  /// A question is answered, or was not asked.
  mutating func forgetQuestion(_ serial: UInt32) {
    outgoingCalls.remove(serial)
    if let place = questions.firstIndex(where: { $0.serial == serial }) { questions.remove(at: place) }
  }
}
