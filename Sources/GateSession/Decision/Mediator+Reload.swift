// What another policy means for what the client has already: what was granted and is granted no more is taken back. A monitor ends. A
// name that the client owns, waits for or has just asked for is released by a call of the gate's own, which the bus gets behind all that
// the client has asked for under the policy before; so nothing is to be waited for, and no client can put it off by not reading.

import DBusWire
import GatePolicy

extension Mediator {
  /// A new policy is in force: see ``Session/takeBack(under:)``.
  mutating func takeBack(under policy: Policy) -> CloseReason? {
    if registration.isMonitor { return mayMonitor(policy) ? nil : .monitorRevoked }
    if registration.phase == .unsaid { return nil }  // a bus gives nobody names before
    if !names.isEmpty { releaseNames(policy) }
    return nil
  }

  /// Whether the policy lets the client become, or be, a monitor.
  func mayMonitor(_ policy: Policy) -> Bool {
    // Neither bus has it on another path.
    withBytes(of: Driver.path) { open(Driver.becomeMonitor, path: $0, descriptors: 0, policy: policy).action == .allow }
  }

  // MARK: Names

  private mutating func releaseNames(_ policy: Policy) {
    var names = ClientNames(settings)
    swap(&names, &self.names)
    let lost = names.takeAway { mayOwn($0, policy) }
    swap(&names, &self.names)
    for release in lost { makeOwnCall(.ownReleaseName, unsafe release.name.span.bytes, detail: release.hash) }
  }

  /// Whether the policy would let the client ask for the name now.
  private func mayOwn(_ entry: RequestedNames.Entry, _ policy: Policy) -> Bool {
    if settings.mode == .audit || settings.isUnfiltered { return true }
    let path = unsafe entry.path.span.bytes
    let denial = withQuery(about: Driver.requestName, path: path, descriptors: 0) { policy.matchDeny($0) }
    if denial.outcome == .deny { return false }
    if policy.names != nil && policy.level(of: unsafe entry.name.span.bytes) >= .own { return true }
    return open(Driver.requestName, path: path, descriptors: 0, policy: policy).passes
  }

  /// The bus has released a name for the gate, or has not.
  mutating func takeRelease(_ hash: UInt64, _ outcome: NameRelease.Outcome, _ output: inout Output) {
    let release = names.takeRelease(hash)
    let isOwned = names.owns(hash)
    switch outcome {
    case .failed:
      // What the client does not own the bus may call no name at all.
      if isOwned { output.close = .nameNotReleased }
    case .released:
      // It had waited for the name: to that the bus says nothing.
      if !isOwned && !release.isTold { sendNameLost(release.name) }
    case .notReleased:
      break
    }
  }
}
