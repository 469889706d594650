// The observers of the buses: when there is one, when it is read, and what follows from what it learns. A session's own stream
// tells who owns which name in the order of everything else, but no sooner than its client reads. So what is decided about a
// message to a unique name rests on the observer, which is read before.

import CLinux
import GatePolicy
import GateSession
import Glibc

extension Server {
  /// Milliseconds until a lost observer is tried again: at first, and at most. It doubles in between.
  private static let observerPause: (first: UInt64, last: UInt64) = (100, 10_000)

  /// Policies of the gates of a bus have changed.
  mutating func policiesChanged(ofBus bus: Int) {
    buses[bus].isToFollow = true
    observersWantCare = true
    onlyForwarded = false
  }

  /// Brings the directory of a bus up to date with what the bus has sent, before bytes of a client are decided on by it.
  @inline(__always)
  mutating func hearObserver(forGate gate: Int) {
    if gates[gate].followsNames { hearObserver(gates[gate].bus) }
  }

  @inline(never)
  private mutating func hearObserver(_ bus: Int) {
    followPolicies(ofBus: bus)
    let observer = buses[bus].observer
    if observer.isOpen {
      switch observer.read() {
      case .heard: break
      case .rejected where observer.saysUID:
        // The bus may be in another user namespace, where our uid is another one, which only the kernel knows.
        buses[bus].saysUID = false
        observer.close()
        openObserver(bus)
      case .rejected:
        buses[bus].saysUID = true
        loseObserver(bus, "the bus does not know the gate's user")
      case .failed(let text): loseObserver(bus, text)
      }
      serveObserver(bus)
    }
    tellNews(ofBus: bus)
  }

  /// Something happened at the observer's socket.
  mutating func handleObserver(_ bus: Int) {
    hearObserver(bus)
  }

  /// Sends the observer's output, checks which bus it is connected to, and notes when its answer is due.
  private mutating func serveObserver(_ bus: Int) {
    let observer = buses[bus].observer
    if !observer.isOpen { return }
    if let identity = observer.bus,
      let guid = buses[bus].endpoint.guid(ofAlternative: observer.alternative, missedBy: identity)
    {
      loseObserver(bus, "the bus is another one: its GUID is not \(guid)")
      return
    }
    if observer.isSettled && observer.directory.isAnswered {
      observer.deadline = nil
      noteObserverDeadline()
      if observer.failures > 0 {
        log.observer(
          gate: gateForLog(bus), isLoss: false,
          "the observer of the bus at \(buses[bus].endpoint.address) knows again who owns which name")
      }
      observer.noteAnswers(at: now)
    }
    if observer.isAsked && observer.deadline == nil {
      observer.deadline = answerDeadline(bus)
      noteObserverDeadline()
      onlyForwarded = false
    }
    let isLeft = observer.send()
    if isLeft == observer.awaitsRoom { return }
    observer.awaitsRoom = isLeft
    let events = EPOLLIN.rawValue | (isLeft ? EPOLLOUT.rawValue : 0)
    _ = clinux_epoll_control(epoll, EPOLL_CTL_MOD, observer.fd, events, EventToken.observer(bus: bus).bits)
  }

  /// Has everything decided anew that was decided by owners.
  private mutating func tellNews(ofBus bus: Int) {
    let observer = buses[bus].observer
    if observer.isSettled {
      buses[bus].isToResume = true
      observersWantCare = true
      onlyForwarded = false
    }
    if observer.isNews {
      for index in unsafe slots.indices {
        guard let slot = unsafe slots[index], unsafe self.bus(of: slot) == bus else { continue }
        unsafe slot.pointee.session.ownersChanged(isObserverNew: observer.isNamed)
      }
    }
    (observer.isNews, observer.isSettled, observer.isNamed) = (false, false, false)
  }

  // MARK: Whether there is one

  /// Lets the observer follow what the gates' policies ask for; opens or closes it where that begins or ends.
  private mutating func followPolicies(ofBus bus: Int) {
    if !buses[bus].isToFollow { return }
    buses[bus].isToFollow = false
    let observer = buses[bus].observer
    var policies: [Policy] = []
    for gate in gates where gate.bus == bus && gate.policy.followsNames {
      if !policies.contains(where: { $0.identity == gate.policy.identity }) { policies.append(gate.policy) }
    }
    observer.follow(policies)
    observer.isNews = true
    if policies.isEmpty {
      observer.rest()
    } else if observer.isOpen {
      observer.deadline = answerDeadline(bus)
      noteObserverDeadline()
      serveObserver(bus)
    } else if observer.retryAt == nil {
      openObserver(bus)
    }
  }

  /// The gate in whose name the observer is logged: the first that asks for names.
  private func gateForLog(_ bus: Int) -> Int {
    gates.firstIndex { $0.bus == bus && $0.followsNames } ?? gates.firstIndex { $0.bus == bus } ?? 0
  }

  private func answerDeadline(_ bus: Int) -> Instant {
    let limits = gates.first { $0.bus == bus }?.options.settings.limits ?? Limits()
    return now.advanced(byMilliseconds: limits.helloTimeout)
  }

  /// A client has a connection to the bus, so the observer is tried again at once.
  mutating func busIsThere(_ bus: Int) {
    if buses[bus].observer.retryAt != nil { openObserver(bus) }
  }

  /// Clients are connected to this bus. An observer that is connected to another one, which lives on while this one took its
  /// address, follows them.
  mutating func leadObserver(_ bus: Int, to identity: BusIdentity) {
    let observer = buses[bus].observer
    guard let other = observer.bus, !other.isSame(as: identity) else { return }
    observer.close()
    openObserver(bus)
    tellNews(ofBus: bus)
  }

  private mutating func openObserver(_ bus: Int) {
    let observer = buses[bus].observer
    observer.retryAt = nil
    // Clients wait for the first attempt only, not again for a bus that did not answer.
    if observer.failures == 0 { observer.directory.awaitAnswers() }
    let opened = buses[bus].endpoint.connectAtOnce()
    if opened.fd < 0 {
      loseObserver(bus, "\(SystemError("cannot connect", opened.fd))")
      return
    }
    if gates.contains(where: { $0.bus == bus && !$0.isClosed && $0.listener.isOther(end: opened.fd) }) {
      closeDescriptor(opened.fd)
      loseObserver(bus, "\(SystemError("cannot connect", -ELOOP, hint: "it is the gate's own socket"))")
      return
    }
    observer.open(opened.fd, alternative: opened.alternative, uid: buses[bus].saysUID ? geteuid() : nil)
    observer.deadline = answerDeadline(bus)
    noteObserverDeadline()
    let result = clinux_epoll_control(epoll, EPOLL_CTL_ADD, opened.fd, EPOLLIN.rawValue, EventToken.observer(bus: bus).bits)
    if result < 0 {
      loseObserver(bus, "\(SystemError("cannot watch the connection", result))")
      return
    }
    serveObserver(bus)
  }

  private mutating func loseObserver(_ bus: Int, _ reason: String) {
    let observer = buses[bus].observer
    if observer.failures == 0 {
      log.observer(
        gate: gateForLog(bus), isLoss: true,
        "the observer of the bus at \(buses[bus].endpoint.address) is lost: \(reason); until it is back, deny rules with a name hold for every unique name"
      )
    }
    observer.retryAt = now.advanced(byMilliseconds: observer.lose(at: now, pause: Self.observerPause))
    forgetBus(bus)
    noteObserverDeadline()
    onlyForwarded = false
  }

  // MARK: Time

  /// Finds out anew when an observer has to be looked after.
  private mutating func noteObserverDeadline() {
    observerDeadline = nil
    for bus in buses {
      note(bus.observer.deadline)
      note(bus.observer.retryAt)
    }
  }

  private mutating func note(_ due: Instant?) {
    if let due, observerDeadline.map({ due < $0 }) ?? true { observerDeadline = due }
  }

  /// Gives up observers that have no answer in time, tries those again whose time has come, and resumes what waited for owners.
  mutating func lookAfterObservers() {
    if !observersWantCare && observerDeadline.map({ now < $0 }) ?? true { return }
    observersWantCare = false
    for bus in buses.indices {
      followPolicies(ofBus: bus)
      let observer = buses[bus].observer
      if let deadline = observer.deadline, now >= deadline { loseObserver(bus, "the bus does not answer within hello-timeout") }
      if let retryAt = observer.retryAt, now >= retryAt { openObserver(bus) }
      tellNews(ofBus: bus)
      if !buses[bus].isToResume { continue }
      buses[bus].isToResume = false
      for index in unsafe slots.indices {
        guard let slot = unsafe slots[index], unsafe self.bus(of: slot) == bus else { continue }
        guard case .owners = unsafe slot.pointee.pipe(from: .client).pointee.wait else { continue }
        unsafe slot.pointee.pipe(from: .client).pointee.wait = .room
        unsafe updatePollInterest(of: slot)
      }
    }
    noteObserverDeadline()
  }
}
