// Calls to org.freedesktop.DBus itself: what opens them stands in the driver's table, what their arguments are held to stands here.

import DBusWire
import GatePolicy

extension Mediator {
  /// Decides on a call or signal that is addressed to the driver.
  func judgeDriverCall(_ message: MessageView, _ policy: Policy) -> Progress {
    let progress = judgeByTable(message, policy)
    // A refusal says which name it is about: that is waited for.
    if case .decided(let decision) = progress, !decision.verdict.passes, !message.isComplete, asksAboutName(message) {
      return .needsBody
    }
    return progress
  }

  private func judgeByTable(_ message: MessageView, _ policy: Policy) -> Progress {
    // Also of a call without DESTINATION, which is the driver's.
    let query = RuleQuery(
      direction: .outgoing, isSignal: message.type == .signal, interface: message.interface, path: message.path,
      member: message.member, descriptors: message.descriptorCount, name: Driver.nameBytes)
    let method =
      message.type == .methodCall ? Driver.method(interface: message.interface, member: message.member) : nil
    var denial = RuleMatch.none
    if method?.inspection != .hello {
      denial = policy.matchDeny(query)
      let isPrivileged = method.map { $0.access == .literalRule } ?? true
      if denial.outcome == .deny && (isPrivileged || !byRules(denial).passes) {
        return .decided(Verdict(.deny, .rule, rule: denial.rule, log: denial.log))
      }
    }
    guard let method else {
      // Unknown to us: only a rule that names it literally opens it, and none can name what has no interface.
      let match = policy.matchLiteral(query)
      if match.outcome != .allow || query.interface.byteCount == 0 { return .deny(.driverClosed) }
      return .decided(forward(message, Verdict(.allow, .rule, rule: match.rule, log: match.log)))
    }
    if method.names != .none && policy.names != nil || method.inspection == .startService {
      return judgeByNames(method, denial, message, policy)
    }
    let opening =
      denial.outcome == .deny
      ? byRules(denial) : open(method, path: message.path, descriptors: message.descriptorCount, policy: policy)
    return opening.passes ? inspect(method, opening, message, policy) : .decided(opening)
  }

  /// What becomes of a call to `method` as far as rules open it.
  func open(_ method: DriverMethod, path: RawSpan, descriptors: Int, policy: Policy) -> Verdict {
    if method.access == .always { return Verdict(.allow, .driver) }
    let ownsFreely = method.inspection == .requestName || method.inspection == .releaseName
    if settings.opensNames && ownsFreely { return Verdict(.allow, .driver) }
    // Whether or not the call named the interface, it is judged as if it had: the buses look methods up by member.
    let match = withQuery(about: method, path: path, descriptors: descriptors) {
      method.access == .rule ? policy.match($0) : policy.matchLiteral($0)
    }
    if match.outcome == .allow { return Verdict(.allow, .rule, rule: match.rule, log: match.log) }
    if method.access == .literalRule { return Verdict(.deny, .driverClosed) }
    return refusal(method.inspection == .startService ? .serviceUnknown : .noRule)
  }

  /// Calls `body` with what rules are asked about a call to `method` that names its interface.
  func withQuery<R>(about method: DriverMethod, path: RawSpan, descriptors: Int, _ body: (RuleQuery) -> R) -> R {
    withBytes(of: method.interface) { interface in
      withBytes(of: method.member) { member in
        body(
          RuleQuery(
            direction: .outgoing, isSignal: false, interface: interface, path: path, member: member,
            descriptors: descriptors, name: Driver.nameBytes))
      }
    }
  }

  /// Whether the service `name` may be started: by a rule that says so, by TALK, or because it may be called, which starts it too.
  ///
  /// - Parameter opening: What becomes of the call if so.
  func openStart(of name: RawSpan, _ method: DriverMethod, path: RawSpan, _ opening: Verdict, _ policy: Policy) -> Verdict {
    if opening.action != .allow { return opening }
    let byRule = open(method, path: path, descriptors: 0, policy: policy)
    if byRule.action == .allow { return byRule }
    if talks(to: name, policy) { return opening }
    let match = policy.matchStart(of: name)
    return match.outcome == .allow ? Verdict(.allow, .rule, rule: match.rule, log: match.log) : byRule
  }

  private func inspect(_ method: DriverMethod, _ verdict: Verdict, _ message: MessageView, _ policy: Policy) -> Progress {
    // None of these takes any; and what is counted here could not be taken back if the kernel refused them.
    if method.inspection != .none && message.descriptorCount > 0 { return .deny(.driverArguments) }
    switch method.inspection {
    case .none where method.names == .list:
      return .decided(forwardList(message, verdict))
    case .none:
      guard let kind = method.question else { return .decided(forward(message, verdict)) }
      return forwardQuestion(kind, verdict, message, policy)
    case .becomeMonitor:
      // What is taken for its answer has to be one, or a client that the bus refuses is shown everything all the same.
      if message.wantsReply && !replies.hasCertainReply(message) { return .deny(.serialInUse) }
      return .decided(forward(message, verdict, .becomeMonitor))
    case .hello:
      if registration.repeatsReply { return .drop(.ownHello, .driverCall(.repeatHello)) }
      return .decided(verdict, .driverCall(.hello))
    case .addMatch, .removeMatch, .requestName, .releaseName, .startService:
      // Size first: the verdict must not hang on how much of the message has come.
      if !isShortEnough(message) { return .deny(.inspectTooLong) }
      if !message.isComplete { return .needsBody }
      return .decided(inspectArgument(method, verdict, message))
    }
  }

  private func inspectArgument(_ method: DriverMethod, _ verdict: Verdict, _ message: MessageView) -> Decision {
    let argument: ByteRange
    do throws(WireError) {
      argument = try message.leadingString(expected: method.inspection == .requestName ? "su" : "s")
    } catch {
      return .deny(.driverArguments)
    }
    switch method.inspection {
    case .addMatch, .removeMatch: return judgeMatchRule(method, verdict, argument, message)
    case .requestName, .releaseName: return inspectName(method, verdict, argument, message)
    case .none, .hello, .startService, .becomeMonitor: preconditionFailure("a method without an argument was inspected")
    }
  }

  /// Decides on a RequestName or a ReleaseName that the policy opens.
  func inspectName(
    _ method: DriverMethod, _ verdict: Verdict, _ place: ByteRange, _ message: MessageView
  ) -> Decision {
    let name = message.bytes.bytes(in: place)
    let hash = settings.seed.hash(name)
    if method.inspection == .releaseName { return Decision(verdict, .driverCall(.releaseName(hash: hash))) }
    // No bus takes such a name, so that nothing can be held.
    if name.byteCount == 0 || name.byteCount > BusName.byteCountMax { return forward(message, verdict) }
    if let reason = names.reasonAgainst(requesting: hash) { return .deny(reason) }
    return Decision(
      verdict, .driverCall(.requestName(hash: hash, name: place, isCertain: replies.hasCertainReply(message))))
  }

  /// A call to the driver passes; its answer is looked for, if it asks for one.
  func forward(_ message: MessageView, _ verdict: Verdict, _ purpose: CallPurpose = .call, detail: UInt64 = 0) -> Decision {
    Decision(verdict, message.wantsReply ? .expectReply(purpose, .driver, detail: detail) : .none)
  }

  /// A call passes that is answered with a list of names.
  func forwardList(_ message: MessageView, _ verdict: Verdict) -> Decision {
    // dbus-daemon answers all the same, and that could pass as the answer to another call with this serial: not what is looked into.
    if message.type == .methodCall && !message.wantsReply && settings.mode != .audit { return .drop(.filtered) }
    return forward(message, verdict, .listNames)
  }
}
