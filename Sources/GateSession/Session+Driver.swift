// Calls to org.freedesktop.DBus itself: what opens them stands in the driver's table, what their arguments are held to stands here.

import DBusWire
import GatePolicy

extension Session {
  /// Decides on a call or signal that is addressed to the driver. Nil: the body is needed to decide.
  mutating func judgeDriverCall(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    let verdict = judgeByTable(message, header, isComplete, policy, &output)
    // A refusal says which name it is about: that is waited for.
    if let verdict, !verdict.passes, !isComplete, asksAboutName(message, header) { return nil }
    return verdict
  }

  private mutating func judgeByTable(
    _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    let interface = message.bytes(in: header.interface)
    let member = message.bytes(in: header.member)
    let path = message.bytes(in: header.path)
    let fds = Int(header.unixFDs)
    let method = header.frame.type == .methodCall ? Driver.method(interface: interface, member: member) : nil

    // Also of a call without DESTINATION, which is the driver's.
    let driverName = Driver.nameBytes
    let isHello = method.map { $0.inspection == .hello } ?? false
    var denial = RuleMatch.none
    if !isHello {
      denial = policy.matchDeny(
        RuleQuery(
          direction: .outgoing, isSignal: header.frame.type == .signal, interface: interface, path: path, member: member,
          descriptors: fds, name: driverName))
      let isPrivileged = method.map { $0.access == .literalRule } ?? true
      if denial.outcome == .deny && (isPrivileged || !byRules(denial).passes) {
        return Verdict(.deny, .rule, rule: denial.rule, log: denial.log)
      }
    }
    guard let method else {
      // Unknown to us: only a rule that names it literally opens it, and none can name what has no interface.
      let match = policy.matchLiteral(
        RuleQuery(
          direction: .outgoing, isSignal: header.frame.type == .signal, interface: interface, path: path, member: member,
          descriptors: fds, name: driverName))
      if match.outcome != .allow || interface.byteCount == 0 { return Verdict(.deny, .driverClosed) }
      return allowDriverCall(header, .call, detail: 0, Verdict(.allow, .rule, rule: match.rule, log: match.log))
    }
    if method.names != .none && policy.names != nil || method.inspection == .startService {
      return judgeByNames(method, denial, message, header, isComplete, policy, &output)
    }
    let opening =
      denial.outcome == .deny ? byRules(denial) : open(method, path: path, descriptors: fds, policy: policy)
    if !opening.passes { return opening }
    return inspect(method, opening, message, header, isComplete, policy, &output)
  }

  mutating func open(_ method: DriverMethod, path: RawSpan, descriptors: Int, policy: Policy) -> Verdict {
    if method.access == .always { return Verdict(.allow, .driver) }
    let ownsFreely = method.inspection == .requestName || method.inspection == .releaseName
    if settings.opensNames && ownsFreely { return Verdict(.allow, .driver) }
    // Whether or not the call named the interface, it is judged as if it had: the buses look methods up by member.
    let match = withBytes(of: method.interface) { interface in
      withBytes(of: method.member) { member in
        method.access == .rule
          ? policy.match(
            RuleQuery(
              direction: .outgoing, isSignal: false, interface: interface, path: path, member: member, descriptors: descriptors,
              name: Driver.nameBytes))
          : policy.matchLiteral(
            RuleQuery(
              direction: .outgoing, isSignal: false, interface: interface, path: path, member: member, descriptors: descriptors,
              name: Driver.nameBytes))
      }
    }
    if match.outcome == .allow { return Verdict(.allow, .rule, rule: match.rule, log: match.log) }
    if method.access == .literalRule { return Verdict(.deny, .driverClosed) }
    return refusal(method.inspection == .startService ? .serviceUnknown : .noRule)
  }

  /// Whether the service `name` may be started: by a rule that says so, by TALK, or because it may be called, which starts it too.
  ///
  /// - Parameter opening: What becomes of the call if so.
  mutating func openStart(
    of name: RawSpan, _ method: DriverMethod, path: RawSpan, _ opening: Verdict, _ policy: Policy
  ) -> Verdict {
    if opening.action != .allow { return opening }
    let byRule = open(method, path: path, descriptors: 0, policy: policy)
    if byRule.action == .allow { return byRule }
    if talks(to: name, policy) { return opening }
    let match = policy.matchStart(of: name)
    return match.outcome == .allow ? Verdict(.allow, .rule, rule: match.rule, log: match.log) : byRule
  }

  private mutating func inspect(
    _ method: DriverMethod, _ verdict: Verdict, _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool,
    _ policy: Policy, _ output: inout Output
  ) -> Verdict? {
    // None of these takes any; and what is counted here could not be taken back if the kernel refused them.
    if method.inspection != .none && header.unixFDs > 0 { return Verdict(.deny, .driverArguments) }
    switch method.inspection {
    case .none where method.names == .list:
      return allowDriverCall(header, .listNames, detail: 0, verdict)
    case .none where method.questionLevel != nil:
      return allowQuestion(method, verdict, message, header, isComplete, policy)
    case .none:
      return allowDriverCall(header, .call, detail: 0, verdict)
    case .becomeMonitor:
      // What is taken for its answer has to be one, or a client that the bus refuses is shown everything all the same.
      if isKeptAccountOf(header) && !hasCertainAnswer(header) { return Verdict(.deny, .serialInUse) }
      return allowDriverCall(header, .becomeMonitor, detail: 0, verdict)
    case .hello:
      if saidHello && helloPhase == .answered && !uniqueName.isEmpty {
        repeatHelloAnswer(header)
        return Verdict(.drop, .ownHello)
      }
      if helloPhase == .unsaid { helloPhase = .asked }
      return allowDriverCall(header, .hello, detail: 0, verdict)
    case .addMatch, .removeMatch, .requestName, .releaseName, .startService:
      // Size first: the verdict must not hang on how much of the message has come.
      if header.frame.messageByteCount > settings.limits.inspectBytesMax { return Verdict(.deny, .inspectTooLong) }
      if !isComplete { return nil }
      return inspectArgument(method, verdict, message, header)
    }
  }

  private mutating func inspectArgument(
    _ method: DriverMethod, _ verdict: Verdict, _ message: RawSpan, _ header: MessageHeader
  ) -> Verdict {
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    let argument: RawSpan
    do throws(WireError) {
      let place = try MessageArguments.leadingString(
        in: body, byteOrder: header.frame.byteOrder, signature: message.bytes(in: header.signature),
        expected: method.inspection == .requestName ? "su" : "s")
      argument = body.extracting(Int(place.offset)..<Int(place.offset) + Int(place.count))
    } catch {
      return Verdict(.deny, .driverArguments)
    }
    switch method.inspection {
    case .addMatch, .removeMatch: return judgeMatchRule(method, verdict, argument, header)
    case .requestName, .releaseName: return inspectName(method, verdict, argument, message, header)
    case .none, .hello, .startService, .becomeMonitor: preconditionFailure("a method without an argument was inspected")
    }
  }

  mutating func inspectName(
    _ method: DriverMethod, _ verdict: Verdict, _ name: RawSpan, _ message: RawSpan, _ header: MessageHeader
  ) -> Verdict {
    let hash = settings.seed.hash(name)
    if method.inspection == .releaseName {
      let allowed = allowDriverCall(header, .call, detail: 0, verdict)
      if allowed.passes { requestedNames.remove(hash) }
      return allowed
    }
    // No bus takes such a name, so that nothing can be held.
    if name.byteCount == 0 || name.byteCount > ClientNames.nameBytesMax {
      return allowDriverCall(header, .call, detail: 0, verdict)
    }
    if !requestedNames.contains(hash) {
      if requestedNames.count >= settings.limits.namesMax { return Verdict(.deny, .names) }
      if !requestedNames.hasRoom { return Verdict(.deny, .namesTotal) }
    }
    let isCertain = hasCertainAnswer(header)
    let allowed = allowDriverCall(header, isCertain ? .requestName : .call, detail: requestedNames.number(of: hash), verdict)
    if allowed.passes {
      requestedNames.request(
        hash, name, path: message.bytes(in: header.path), wantsAnswer: isCertain)
    }
    return allowed
  }

  mutating func allowDriverCall(
    _ header: MessageHeader, _ purpose: CallPurpose, detail: UInt64, _ verdict: Verdict
  ) -> Verdict {
    if header.frame.type != .methodCall { return verdict }
    if header.frame.flags.contains(.noReplyExpected) {
      // dbus-daemon answers all the same, and that could pass as the answer to another call with this serial: not what is looked into.
      return purpose == .listNames && settings.mode != .audit ? Verdict(.drop, .filtered) : verdict
    }
    let call = PendingCall(serial: header.frame.serial, purpose: purpose, expectedSender: .driver, detail: detail)
    return expect(call) ?? verdict
  }
}
