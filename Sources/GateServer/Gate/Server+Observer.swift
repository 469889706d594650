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
  mutating func policiesChanged(ofBus bus: BusID) {
    buses[bus].isToFollow = true
    seeSoon(to: bus)
  }

  /// Brings the directory of a bus up to date with what the bus has sent, before bytes of a client are decided on by it.
  @inline(never)
  mutating func hearObserver(_ bus: BusID) {
    followPolicies(ofBus: bus)
    let observer = buses[bus].observer
    if observer.isOpen {
      switch observer.read() {
      case .heard: break
      case .rejected where observer.saysUID:
        // The bus may be in another user namespace, where our uid is another one, which only the kernel knows.
        buses[bus].saysUID = false
        closeObserver(bus)
        openObserver(bus)
      case .rejected:
        buses[bus].saysUID = true
        loseObserver(bus, "the bus does not know the gate's user")
      case .unconnected(let number): observerUnconnected(bus, number)
      case .failed(let text): loseObserver(bus, text)
      }
      serveObserver(bus)
    }
    tellNews(ofBus: bus)
  }

  /// Sends the observer's output, checks which bus it is connected to, and notes when its answer is due.
  private mutating func serveObserver(_ bus: BusID) {
    let observer = buses[bus].observer
    guard observer.isOpen, !observer.isConnecting, let source = observer.source else { return }
    if let identity = observer.bus,
      let guid = buses[bus].endpoint.guid(ofAlternative: observer.alternative, missedBy: identity)
    {
      loseObserver(bus, "the bus is another one: its GUID is not \(guid)")
      return
    }
    if observer.isSettled && observer.directory.isAnswered {
      observer.deadline = nil
      if observer.failures > 0 {
        io.log.observer(
          logForObserver(bus), isLoss: false,
          "the observer of the bus at \(buses[bus].endpoint.address) knows again who owns which name")
      }
      observer.noteAnswers(at: io.now)
      buses[bus].reach.noteReached(at: io.now)
    }
    if observer.isAsked && observer.deadline == nil { awaitAnswer(bus) }
    let events = PollSet.readable | (observer.send() ? PollSet.writable : 0)
    _ = sources.setInterest(source, events)
  }

  /// Has everything decided anew that was decided by owners.
  private mutating func tellNews(ofBus bus: BusID) {
    let observer = buses[bus].observer
    if observer.isSettled {
      buses[bus].isToResume = true
      seeSoon(to: bus)
    }
    if observer.isNews {
      for index in 0..<connections.indexEnd {
        guard let id = connections.id(at: index), gates[connections[id].gate.place].bus == bus else { continue }
        connections[id].session.ownersChanged(isObserverNew: observer.isNamed)
      }
    }
    (observer.isNews, observer.isSettled, observer.isNamed) = (false, false, false)
  }

  // MARK: Whether there is one

  /// Lets the observer follow what the gates' policies ask for; opens or closes it where that begins or ends.
  private mutating func followPolicies(ofBus bus: BusID) {
    if !buses[bus].isToFollow { return }
    buses[bus].isToFollow = false
    let observer = buses[bus].observer
    var policies: [Policy] = []
    for gate in allGates where gates[gate.place].bus == bus && gates[gate.place].followsNames {
      let policy = gates[gate.place].policy
      if !policies.contains(where: { $0.identity == policy.identity }) { policies.append(policy) }
    }
    observer.follow(policies)
    observer.isNews = true
    if policies.isEmpty {
      closeObserver(bus)
      observer.rest()
    } else if observer.isOpen {
      awaitAnswer(bus)
      serveObserver(bus)
    } else if observer.retryAt == nil {
      openObserver(bus)
    }
  }

  /// The gate in whose name the observer is logged: the first that asks for names.
  private func logForObserver(_ bus: BusID) -> GateLog? {
    let own = allGates.filter { gates[$0.place].bus == bus }
    return (own.first { gates[$0.place].followsNames } ?? own.first).map { gates[$0.place].log }
  }

  /// The bus has to answer the observer within `hello-timeout`.
  private mutating func awaitAnswer(_ bus: BusID) {
    let gate = allGates.first { gates[$0.place].bus == bus }
    let limits = gate.map { gates[$0.place].options.settings.limits } ?? Limits()
    buses[bus].observer.deadline = io.now.advanced(byMilliseconds: limits.helloTimeout)
    schedule(bus)
  }

  /// A client has a connection to the bus, so the observer is tried again at once.
  mutating func busIsThere(_ bus: BusID) {
    buses[bus].reach.hasten(at: io.now)
    schedule(bus)
    if buses[bus].observer.retryAt == nil { return }
    openObserver(bus)
    tellNews(ofBus: bus)
  }

  /// Clients are connected to this bus. An observer that is connected to another one, which lives on while this one took its
  /// address, follows them.
  mutating func leadObserver(_ bus: BusID, to identity: BusIdentity) {
    let observer = buses[bus].observer
    guard let other = observer.bus, !other.isSame(as: identity) else { return }
    closeObserver(bus)
    openObserver(bus)
    tellNews(ofBus: bus)
  }

  private mutating func openObserver(_ bus: BusID, from alternative: Int = 0) {
    let observer = buses[bus].observer
    observer.retryAt = nil
    // Clients wait for the first attempt only, not again for a bus that did not answer.
    if observer.failures == 0 { observer.directory.awaitAnswers() }
    switch buses[bus].endpoint.connect(from: alternative) {
    case .busy: loseObserver(bus, "\(SystemError("cannot connect", -EAGAIN))")
    case .failed(let number): loseObserver(bus, SystemError("cannot connect", number))
    case .connected(let opened):
      if isOwn(opened, bus) {
        closeDescriptor(opened.fd)
        loseObserver(bus, "\(SystemError("cannot connect", -ELOOP, hint: "it is the gate's own socket"))")
        return
      }
      startObserver(opened, isConnecting: false, bus)
    case .inProgress(let opened): startObserver(opened, isConnecting: true, bus)
    }
  }

  private mutating func startObserver(_ opened: BusEndpoint.Opened, isConnecting: Bool, _ bus: BusID) {
    let observer = buses[bus].observer
    let uid = buses[bus].saysUID ? geteuid() : nil
    if !observer.open(opened, isConnecting: isConnecting, uid: uid, allowsAnonymous: buses[bus].allowsAnonymous) {
      loseObserver(bus, "\(HandshakeFailure.busTransportWithoutCredentials)")
      return
    }
    awaitAnswer(bus)
    do throws(SystemError) {
      let interest = isConnecting ? PollSet.writable : PollSet.readable
      observer.source = try addSource(opened.fd, interest) { server, _, _ in server.hearObserver(bus) }
    } catch {
      loseObserver(bus, error)
      return
    }
    if !isConnecting { serveObserver(bus) }
  }

  /// A connect in progress came to nothing.
  private mutating func observerUnconnected(_ bus: BusID, _ number: Int32) {
    let next = buses[bus].observer.alternative + 1
    if next < buses[bus].endpoint.alternativeCount {
      closeObserver(bus)
      openObserver(bus, from: next)
    } else {
      loseObserver(bus, "\(SystemError("cannot connect", number))")
    }
  }

  /// What it could not do itself is no fault of the bus, if it is for want of descriptors.
  private mutating func loseObserver(_ bus: BusID, _ error: SystemError) {
    let attempt = "the observer of the bus at \(buses[bus].endpoint.address): \(error.attempt)"
    noteUnreached(bus, SystemError(attempt, error.number, hint: error.hint))
    giveUpObserver(bus, "\(error)")
  }

  private mutating func loseObserver(_ bus: BusID, _ reason: String) {
    noteUnreached(bus, "the observer of the bus at \(buses[bus].endpoint.address): \(reason)")
    giveUpObserver(bus, reason)
  }

  private mutating func giveUpObserver(_ bus: BusID, _ reason: String) {
    let observer = buses[bus].observer
    if observer.failures == 0 {
      io.log.observer(
        logForObserver(bus), isLoss: true,
        "the observer of the bus at \(buses[bus].endpoint.address) is lost: \(reason); until it is back, deny rules with a name hold for every unique name"
      )
    }
    if let source = observer.source { sources.remove(source) }
    observer.retryAt = io.now.advanced(byMilliseconds: observer.lose(at: io.now, pause: Self.observerPause))
    forgetIdentity(of: bus)
    seeSoon(to: bus)
  }

  /// Closes the observer's connection, if there is one.
  mutating func closeObserver(_ bus: BusID) {
    let observer = buses[bus].observer
    if let source = observer.source { sources.remove(source) }
    if observer.isOpen { observer.close() }
  }

  // MARK: Time

  /// Gives up an observer that has no answer in time, tries one again whose time has come, and resumes what waited for owners.
  mutating func seeToObserver(of bus: BusID) {
    followPolicies(ofBus: bus)
    let observer = buses[bus].observer
    if let deadline = observer.deadline, io.now >= deadline { loseObserver(bus, "the bus does not answer within hello-timeout") }
    if let retryAt = observer.retryAt, io.now >= retryAt { openObserver(bus) }
    tellNews(ofBus: bus)
    if !buses[bus].isToResume { return }
    buses[bus].isToResume = false
    for index in 0..<connections.indexEnd {
      guard let id = connections.id(at: index), connections[id].isLive, gates[connections[id].gate.place].bus == bus else {
        continue
      }
      guard case .owners = connections[id].pipes[.client].wait else { continue }
      connections[id].pipes[.client].wait = .room
      settle(id)
    }
  }
}
