// What the driver is asked about names, and what it tells of them, when the policy says which are visible: the rest of its answers is as in
// Mediator+Driver.
//
// The corresponding manual page is xdg-dbus-proxy(1), "Policy".

import DBusWire
import GatePolicy

extension Mediator {
  /// Decides on a call to a method whose argument, or answer, are names; without `names` on StartServiceByName alone.
  ///
  /// - Parameter denial: The deny rule that meets it, in audit mode.
  @inline(never)
  func judgeByNames(_ method: DriverMethod, _ denial: RuleMatch, _ message: MessageView, _ policy: Policy) -> Progress {
    if message.descriptorCount > 0 { return .deny(.driverArguments) }
    let opening = denial.outcome == .deny ? byRules(denial) : Verdict(.allow, .driver)
    if method.names == .list { return .decided(forwardList(message, opening)) }
    if !isShortEnough(message) { return .deny(.inspectTooLong) }
    if !message.isComplete { return .needsBody }
    let place: ByteRange
    do throws(WireError) {
      place = try message.leadingString(expected: method.signature)
    } catch {
      return .deny(.driverArguments)
    }
    let decision = judge(method, about: message.bytes.bytes(in: place), opening, message, policy)
    if !decision.verdict.passes { return .decided(decision) }
    switch method.inspection {
    case .requestName, .releaseName: return .decided(inspectName(method, decision.verdict, place, message))
    case .none, .startService, .hello, .addMatch, .removeMatch, .becomeMonitor:
      guard let kind = method.question else { return .decided(forward(message, decision.verdict)) }
      return .decided(forwardQuestion(kind, decision.verdict, about: place, message, policy))
    }
  }

  /// Whether `name` is open as far as `method` needs.
  private func judge(
    _ method: DriverMethod, about name: RawSpan, _ opening: Verdict, _ message: MessageView, _ policy: Policy
  ) -> Decision {
    if method.inspection == .startService {
      return Decision(openStart(of: name, method, path: message.path, opening, policy))
    }
    // Not what the client still has under an earlier policy.
    let level = method.inspection == .requestName ? policy.level(of: name) : level(of: name, policy)
    switch method.names {
    case .see:
      if level >= .see { return Decision(opening) }
      let verdict = refusal(.hiddenOwner)
      if verdict.passes || method.question != .hasOwner { return Decision(verdict) }
      return .drop(.hiddenOwner, .driverCall(.answerNobody))
    case .talk, .own:
      if level >= .own { return Decision(opening) }
      if method.inspection == .none { return Decision(refusal(level >= .see ? .noRule : .hiddenOwner)) }
      return Decision(open(method, path: message.path, descriptors: 0, policy: policy))
    case .none, .list: preconditionFailure("not about a name")
    }
  }

  // MARK: NameOwnerChanged

  /// Decides whether the client is told of a change, where names are followed.
  @inline(never)
  func judgeOwnerChange(_ message: MessageView, _ policy: Policy) -> Progress {
    if !isShortEnough(message) { return .drop(.inspectTooLong) }
    if !message.isComplete { return .needsBody }
    let (namePlace, oldPlace, newPlace): (ByteRange, ByteRange, ByteRange)
    do throws(WireError) {
      (namePlace, oldPlace, newPlace) = try message.threeStrings()
    } catch {
      return .drop(.unsubscribed)  // a signal that the bus never sends
    }
    let name = message.bytes.bytes(in: namePlace)
    let isVisible = policy.names == nil || settings.mode == .audit || level(of: name, policy) >= .see
    let isSubscribed = ownership.isSubscribed(
      name: name, oldOwner: message.bytes.bytes(in: oldPlace), newOwner: message.bytes.bytes(in: newPlace))
    let verdict = isVisible && isSubscribed ? Verdict(.allow, .driver) : Verdict(.drop, .unsubscribed)
    return .decided(verdict, .driverSignal(.changeOwner(name: namePlace, owner: newPlace)))
  }
}
