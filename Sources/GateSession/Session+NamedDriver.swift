// What the driver is asked about names, and what it tells of them, when the policy says which are visible: the rest of its answers is as in
// Session+Driver.
//
// The corresponding manual page is xdg-dbus-proxy(1), "Policy".

import DBusWire
import GatePolicy

extension Session {
  /// Decides on a call to a method whose argument, or answer, are names; without `names` on StartServiceByName alone. Nil: the body is
  /// needed to decide.
  ///
  /// - Parameter denial: The deny rule that meets it, in audit mode.
  @inline(never)
  mutating func judgeByNames(
    _ method: DriverMethod, _ denial: RuleMatch, _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool,
    _ policy: Policy,
    _ output: inout Output
  ) -> Verdict? {
    if header.unixFDs > 0 { return Verdict(.deny, .driverArguments) }
    let opening = denial.outcome == .deny ? byRules(denial) : Verdict(.allow, .driver)
    if method.names == .list { return allowDriverCall(header, .listNames, detail: 0, opening) }
    if header.frame.messageByteCount > settings.limits.inspectBytesMax { return Verdict(.deny, .inspectTooLong) }
    if !isComplete { return nil }
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    let name: RawSpan
    do throws(WireError) {
      let place = try MessageArguments.leadingString(
        in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature),
        expected: method.signature)
      name = body.extracting(Int(place.offset)..<Int(place.offset) + Int(place.count))
    } catch {
      return Verdict(.deny, .driverArguments)
    }
    let verdict = judge(method, about: name, opening, message, header, policy)
    if !verdict.passes { return verdict }
    switch method.inspection {
    case .requestName, .releaseName: return inspectName(method, verdict, name, message, header)
    case .none where method.questionLevel != nil: return allowQuestion(method, verdict, about: name, header, policy)
    case .none, .startService, .hello, .addMatch, .removeMatch, .becomeMonitor:
      return allowDriverCall(header, .call, detail: 0, verdict)
    }
  }

  /// Whether `name` is open as far as `method` needs.
  private mutating func judge(
    _ method: DriverMethod, about name: RawSpan, _ opening: Verdict, _ message: RawSpan, _ header: MessageHeader, _ policy: Policy
  ) -> Verdict {
    if method.inspection == .startService {
      return openStart(of: name, method, path: message.bytes(in: header.path), opening, policy)
    }
    // Not what the client still has under an earlier policy.
    let level = method.inspection == .requestName ? policy.level(of: name) : level(of: name, policy)
    switch method.names {
    case .see:
      if level >= .see { return opening }
      let verdict = refusal(.hiddenOwner)
      if verdict.passes || !method.isNameHasOwner { return verdict }
      answerNobody(header, to: header.frame.serial)
      return Verdict(.drop, .hiddenOwner)
    case .talk, .own:
      if level >= .own { return opening }
      if method.inspection == .none { return refusal(level >= .see ? .noRule : .hiddenOwner) }
      return open(method, path: message.bytes(in: header.path), descriptors: 0, policy: policy)
    case .none, .list: preconditionFailure("not about a name")
    }
  }

  /// Answers NameHasOwner for a name that is not visible.
  mutating func answerNobody(_ header: MessageHeader, to serial: UInt32) {
    if header.frame.type == .methodCall && header.frame.flags.contains(.noReplyExpected) { return }
    let envelope = LocalReply.Envelope(
      byteOrder: header.frame.byteOrder, serial: takeOwnSerial(), replySerial: serial, fromDriver: true)
    let name = uniqueName
    LocalReply.appendBoolean(false, envelope, to: &ownToClient, destination: unsafe name.span.bytes)
  }

  // MARK: Answers

  /// Decides on an answer of the driver that has names for the client, or is for the gate. Nil: the body is needed to decide.
  @inline(never)
  mutating func judgeNamesAnswer(
    _ call: PendingCall, _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy,
    _ output: inout Output
  ) -> Verdict? {
    let isTooLong = header.frame.messageByteCount > settings.limits.inspectBytesMax
    if call.purpose == .listNames {
      if header.frame.type == .error || policy.names == nil || settings.mode == .audit {
        outgoingCalls.remove(header.replySerial)
        return Verdict(.allow, .reply)
      }
      if isTooLong { return Verdict(.deny, .inspectTooLong) }
      if !isComplete { return nil }
      if !ownToClient.hasRoom {
        output.wait = .localOutput(.client)
        return nil
      }
      outgoingCalls.remove(header.replySerial)
      return filterNames(message, header, policy)
    }
    if !isTooLong && !isComplete { return nil }
    outgoingCalls.remove(header.replySerial)
    if isTooLong || !takeOwnAnswer(call, message, header, policy, &output) { output.close = .namesNotFollowed }
    return Verdict(.drop, .ownCall)
  }

  /// Gives the client the names of the list that it may see.
  private mutating func filterNames(_ message: RawSpan, _ header: MessageHeader, _ policy: Policy) -> Verdict {
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    do throws(WireError) {
      try MessageArguments.checkStrings(
        in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature))
    } catch {
      return Verdict(.drop, .strayReply)  // an answer that the bus never gives
    }
    let envelope = LocalReply.Envelope(
      byteOrder: header.frame.byteOrder, serial: header.frame.serial, replySerial: header.replySerial, fromDriver: true)
    let client = uniqueName
    var own = LocalOutput(limit: 0)
    swap(&own, &ownToClient)
    LocalReply.appendNames(body, envelope, to: &own, destination: unsafe client.span.bytes) { level(of: $0, policy) >= .see }
    swap(&own, &ownToClient)
    return Verdict(.drop, .filtered)
  }

  // MARK: NameOwnerChanged

  /// Takes note of a change, and decides whether the client is told. Nil: the body is needed to decide.
  @inline(never)
  mutating func judgeOwnerChange(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy
  ) -> Verdict? {
    guard let names else { preconditionFailure("names are not followed") }
    if header.frame.messageByteCount > settings.limits.inspectBytesMax { return Verdict(.drop, .inspectTooLong) }
    if !isComplete { return nil }
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    let (namePlace, oldPlace, newPlace): (ByteRange, ByteRange, ByteRange)
    do throws(WireError) {
      (namePlace, oldPlace, newPlace) = try MessageArguments.threeStrings(
        in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature))
    } catch {
      return Verdict(.drop, .unsubscribed)  // a signal that the bus never sends
    }
    let name = body.extracting(Int(namePlace.offset)..<Int(namePlace.offset) + Int(namePlace.count))
    let old = body.extracting(Int(oldPlace.offset)..<Int(oldPlace.offset) + Int(oldPlace.count))
    let new = body.extracting(Int(newPlace.offset)..<Int(newPlace.offset) + Int(newPlace.count))
    let isVisible = policy.names == nil || settings.mode == .audit || level(of: name, policy) >= .see
    let isHeard = names.isHeard(name: name, oldOwner: old, newOwner: new)
    noteOwner(of: name, new, policy)
    if new.byteCount == 0 { incomingCalls.removeAll(of: settings.seed.hash(name)) }
    return isVisible && isHeard ? Verdict(.allow, .driver) : Verdict(.drop, .unsubscribed)
  }
}
