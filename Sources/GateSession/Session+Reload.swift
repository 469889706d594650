// What another policy means for what the client has already: what was granted and is granted no more is taken back. A monitor ends. A
// name that the client owns, waits for or has just asked for is released by a call of the gate's own, which the bus gets behind all that
// the client has asked for under the policy before; so nothing is to be waited for, and no client can put it off by not reading.

import DBusWire
import GatePolicy

extension Session {
  /// A new policy is in force. Calls already forwarded keep their right to a reply.
  ///
  /// The own output may have grown: see ``localOutputCount(to:)``.
  ///
  /// - Returns: Why the connection must end, if it must.
  public mutating func policyChanged(to policy: Policy) -> CloseReason? {
    if isMonitor { return mayMonitor(policy) ? nil : .monitorRevoked }
    if helloPhase == .unsaid { return nil }  // a bus gives nobody names before
    if requestedNames.count > 0 { releaseNames(policy) }
    return nil
  }

  /// Whether the policy lets the client become, or be, a monitor.
  mutating func mayMonitor(_ policy: Policy) -> Bool {
    // Neither bus has it on another path.
    withBytes(of: Driver.path) { open(Driver.becomeMonitor, path: $0, descriptors: 0, policy: policy).action == .allow }
  }

  // MARK: Names

  private mutating func releaseNames(_ policy: Policy) {
    var names = ClientNames(total: nil)
    swap(&names, &requestedNames)
    let lost = names.remove { mayOwn($0, policy) }
    swap(&names, &requestedNames)
    for entry in lost {
      releases.append(NameRelease(hash: entry.hash, name: entry.name))
      makeOwnCall("ReleaseName", unsafe entry.name.span.bytes, .ownReleaseName, detail: entry.hash)
    }
  }

  /// Whether the policy would let the client ask for the name now.
  private mutating func mayOwn(_ entry: ClientNames.Entry, _ policy: Policy) -> Bool {
    if settings.mode == .audit || settings.isUnfiltered { return true }
    let path = unsafe entry.path.span.bytes
    let denial = withBytes(of: Driver.requestName.interface) { interface in
      withBytes(of: Driver.requestName.member) { member in
        policy.matchDeny(
          RuleQuery(
            direction: .outgoing, isSignal: false, interface: interface, path: path, member: member, descriptors: 0,
            name: Driver.nameBytes))
      }
    }
    if denial.outcome == .deny { return false }
    if policy.names != nil && policy.level(of: unsafe entry.name.span.bytes) >= .own { return true }
    return open(Driver.requestName, path: path, descriptors: 0, policy: policy).passes
  }

  /// The client is told that it has lost the name with this hash.
  mutating func noteLoss(of hash: UInt64) {
    if let place = releases.firstIndex(where: { $0.hash == hash && !$0.isTold }) { releases[place].isTold = true }
  }

  /// Decides on the answer to a ReleaseName of the gate's own. Nil: the body is needed to decide, or there is no room for a signal.
  @inline(never)
  mutating func judgeReleaseAnswer(
    _ call: PendingCall, _ message: RawSpan, _ header: MessageHeader, _ isComplete: Bool, _ output: inout Output
  ) -> Verdict? {
    let isTooLong = header.frame.messageByteCount > settings.limits.inspectBytesMax
    if !isTooLong && !isComplete { return nil }
    if !ownToClient.hasRoom {
      output.wait = .localOutput(.client)
      return nil
    }
    outgoingCalls.remove(header.replySerial)
    noteOwnAnswer(header, &output)
    guard let place = releases.firstIndex(where: { $0.hash == call.detail }) else {
      preconditionFailure("an answer to a call that nobody made")
    }
    let release = releases.remove(at: place)
    let isOwned = acquiredNames.contains(release.hash)
    if header.frame.type == .error {
      // What the client does not own the bus may call no name at all.
      if isOwned { output.close = .nameNotReleased }
    } else if !isTooLong, !isOwned, !release.isTold, wasReleased(message, header) {
      // It had waited for the name: to that the bus says nothing.
      let client = uniqueName
      LocalReply.appendNameLost(
        unsafe release.name.span.bytes, serial: takeOwnSerial(), to: &ownToClient, destination: unsafe client.span.bytes)
    }
    return Verdict(.drop, .ownCall)
  }

  /// Whether ReleaseName's answer is DBUS_RELEASE_NAME_REPLY_RELEASED (1).
  private func wasReleased(_ message: RawSpan, _ header: MessageHeader) -> Bool {
    let body = message.extracting(header.frame.headerByteCount..<header.frame.messageByteCount)
    do throws(WireError) {
      return try MessageArguments.uint32(in: body, byteOrder: header.frame.byteOrder) == 1
    } catch {
      return false
    }
  }
}
