// What the contract says of names: what hangs on who owns which, and what is hidden. See ReferenceGate.

extension ReferenceGate {
  // MARK: Following

  /// The session has looked at something under the policy in force.
  package mutating func follow() {
    if followedNumber == policyNumber { return }
    followedNumber = policyNumber
    if names == nil {
      if policy.patterns == nil && !tellsOwners { return }
      names = ReferenceNames()
    }
    if !name.isEmpty { startFollowing() }
  }

  /// The observer follows the policy in force.
  package mutating func observe(_ ownersOnBus: [String: String]) {
    observed.follow(policy.patterns, keeping: [])
    if isObserved { observed.learn(ownersOnBus) }
  }

  mutating func startFollowing() {
    if isMonitor {
      names?.stop()
      return
    }
    names?.follow(policy.patterns, all: tellsOwners, keeping: Set(matches.filter { $0.answered > 0 }.map(\.rule)))
    callOn()
  }

  /// What is to be asked of the bus now.
  mutating func callOn() {
    for call in names?.takeCalls() ?? [] {
      make(call)
    }
  }

  /// Says a call of the gate's own.
  mutating func make(_ call: ReferenceNames.OwnCall) {
    let serial = takeFreeSerial()
    let (word, text) =
      switch call {
      case .addMatch(let rule): ("AddMatch", rule)
      case .removeMatch(let rule): ("RemoveMatch", rule)
      case .listNames: ("ListNames", "")
      case .getNameOwner(let name): ("GetNameOwner", name)
      case .releaseName(let name): ("ReleaseName", name)
      }
    toBus.append(Own(word: word, replySerial: 0, destination: Self.driver, serial: serial, texts: [text]))
    if word != "RemoveMatch" { outgoing[serial] = Call(destination: Self.driver, purpose: .own(call)) }
    switch call {
    case .addMatch(let rule): matchLog.append(.init(does: .add, rule: rule, isOwn: true, serial: serial))
    case .removeMatch(let rule): matchLog.append(.init(does: .remove, rule: rule, isOwn: true, serial: serial))
    case .listNames, .getNameOwner, .releaseName: break
    }
  }

  mutating func takeFreeSerial() -> UInt32 {
    var serial = takeSerial()
    while outgoing[serial] != nil { serial = takeSerial() }
    return serial
  }

  /// Until it is known who owns what, nothing can be judged but Hello.
  var mustWaitForNames: Bool { hello != .unsaid && !isMonitor && !(names?.isReady ?? true) }

  // MARK: Rules

  /// A call to the driver is to its name alone.
  var toDriver: ReferencePolicy.Peer { .init(name: Self.driver) }

  /// What the rules say of a call or signal that is not the driver's.
  func allows(_ direction: ReferencePolicy.Direction, _ message: Draft) -> Bool {
    let other = (direction == .outgoing ? message.destination : message.sender) ?? ""
    var peer = ReferencePolicy.Peer(name: direction == .outgoing ? other : "")
    peer.isBroadcast = message.type == 4 && message.destination == nil
    if let names, direction == .incoming || other.hasPrefix(":") {
      (peer.owned, peer.everOwned) = (names.owned(other), names.everOwned(other))
      peer.mayOwnMore = !names.isReady
      if direction == .outgoing && policy.patterns != nil {
        // The client need not have read what its own connection is told; what the observer heard decides.
        if isObserved {
          peer.owned = observed.owned(other)
          peer.everOwned.formUnion(observed.everOwned(other))
        }
        peer.mayOwnMore = !isObserved
      }
    }
    if policy.allows(direction, message, as: message.interface, of: peer) { return true }
    if !policy.trustsPeers || policy.names == nil || policy.denies(direction, message, as: message.interface, of: peer) {
      return false
    }
    return direction == .outgoing ? peer.isBroadcast || (other == name && !name.isEmpty) : !peer.isBroadcast
  }

  // MARK: Visibility

  func level(_ other: String) -> ReferencePolicy.Level {
    if other == Self.driver || (other == name && !name.isEmpty) { return .talk }
    if !other.hasPrefix(":") {
      if acquired.contains(other) { return .own }
      let isCalled = names?.called.contains(other) ?? false
      return max(policy.level { ReferenceNames.matches($0, other) }, isCalled ? .talk : .none)
    }
    let ever = names?.everOwned(other) ?? []
    let level = policy.level { ever.contains($0) }
    if level > .none { return level }
    return policy.showsUniqueNames || names?.contacts.contains(other) ?? false ? .see : .none
  }

  /// What is said of a name that is hidden, as if nobody had it; nil if it is not.
  func hiddenError(_ message: Draft) -> String? {
    guard policy.names != nil, let other = message.destination, level(other) < .see else { return nil }
    return other.hasPrefix(":") || message.flags & 2 != 0 ? "NameHasNoOwner" : "ServiceUnknown"
  }

  /// A rule let a call to a name pass: that is no secret any more.
  mutating func noteCalled(_ other: String) {
    if policy.names == nil || other.hasPrefix(":") { return }
    // Also a name that the client has, and may lose.
    if policy.level({ ReferenceNames.matches($0, other) }) >= .see { return }
    names?.called.insert(other)
  }

  /// Who contacts the client becomes visible to it.
  mutating func markVisible(_ message: Draft) {
    guard let sender = message.sender, sender.hasPrefix(":"), sender != name || name.isEmpty else { return }
    // Only while something hangs on it.
    if let names, !names.isReady || policy.patterns != nil { self.names?.contacts.insert(sender) }
  }

  // MARK: The driver

  /// What methods of the driver need of the name that they are about; none: they list names.
  static let questions: [String: ReferencePolicy.Level] = [
    "ListNames": .none, "ListActivatableNames": .none, "GetNameOwner": .see, "NameHasOwner": .see,
    "GetConnectionUnixUser": .see, "GetConnectionUnixProcessID": .see, "GetConnectionCredentials": .see,
    "GetAdtAuditSessionData": .see, "GetConnectionSELinuxSecurityContext": .see, "StartServiceByName": .talk,
    "ListQueuedOwners": .own, "RequestName": .own, "ReleaseName": .own,
  ]

  mutating func ask(_ question: ReferencePolicy.Level, _ message: Draft, _ size: Size) -> Bool {
    let member = message.member ?? ""
    if message.unixFDs ?? 0 > 0 { return refuse(message, "InvalidArgs") }
    if question == .none { return expects(message, to: Self.driver, .listNames) }
    if size.message > limits.inspectBytesMax { return refuse(message, "LimitsExceeded") }
    let takesFlags = member == "RequestName" || member == "StartServiceByName"
    guard let about = message.leadingText, message.signature == (takesFlags ? "su" : "s") else {
      return refuse(message, "InvalidArgs")
    }
    if member == "StartServiceByName" {
      let isOpen = isAudit || mayStart(about) || policy.allows(.outgoing, message, as: Self.driver, of: toDriver)
      return isOpen ? expects(message, to: Self.driver, .call) : refuse(message, "ServiceUnknown")
    }
    // Not what the client still has under an earlier policy.
    let level = member == "RequestName" ? policy.level { ReferenceNames.matches($0, about) } : level(about)
    if level < question && !isAudit {
      let interface = Self.driver
      switch member {
      case "RequestName", "ReleaseName":
        if !opensNames && !policy.allows(.outgoing, message, as: interface, of: toDriver) {
          return refuse(message, "AccessDenied")
        }
      case "NameHasOwner":
        if message.wantsAnswer { tellClient("return", message.serial) }
        return false
      default: return refuse(message, level >= .see ? "AccessDenied" : "NameHasNoOwner")
      }
    }
    if member == "RequestName" || member == "ReleaseName" { return inspectArgument(message, member, about) }
    let isQuestion = member != "StartServiceByName"
    return expects(message, to: Self.driver, isQuestion ? self.question(member, question, about) : .call)
  }

  /// What is kept of a question about a name: 256 names at a time.
  func question(_ member: String, _ needed: ReferencePolicy.Level, _ name: String?) -> Purpose {
    let keptCount = outgoing.values.filter { if case .question(_, .some, _, _) = $0.purpose { true } else { false } }.count
    let isKept = keptCount < 256 && (1...255).contains(name?.utf8.count ?? 0)
    return .question(needed, about: isKept ? name : nil, isBoolean: member == "NameHasOwner", policy: policyNumber)
  }

  /// Whether the answer to a question passes: what is asked about has to be visible, if the policy is another one by now.
  mutating func answerQuestion(
    _ reply: Draft, _ needed: ReferencePolicy.Level, _ name: String?, _ isBoolean: Bool, _ asked: Int
  ) -> Bool {
    let serial = reply.replySerial ?? 0
    let level = name.map(level) ?? .none
    if asked == policyNumber || policy.names == nil || isAudit || name != nil && level >= needed {
      outgoing[serial] = nil
      return true
    }
    if !isBoolean || name == nil { return withhold(reply, level >= .see ? "AccessDenied" : "NameHasNoOwner") }
    outgoing[serial] = nil
    tellClient("return", serial)
    return false
  }

  /// Whether a service may be started without a rule that says so: one that may be talked to, or called, which starts it anyway.
  private func mayStart(_ other: String) -> Bool {
    if policy.opensSomeCall(to: other) { return true }
    guard let names = policy.names else { return false }
    if other.hasPrefix(":") || other == Self.driver { return level(other) >= .talk }
    return acquired.contains(other) || names.contains { $0.level >= .talk && ReferenceNames.matches($0.pattern, other) }
  }

  /// The client gets the names of the list that it may see.
  mutating func giveNames(_ reply: Draft) {
    guard let texts = reply.texts(of: .listNames) else { return }
    toClient.append(
      Own(
        word: "return", replySerial: reply.replySerial ?? 0, destination: name, serial: reply.serial,
        texts: texts.filter { level($0) >= .see }))
  }

  /// Whether the client is told of a change, if it is one.
  mutating func ownerChange(_ signal: Draft, _ size: Size) -> Bool {
    guard names != nil, size.message <= limits.inspectBytesMax, signal.signature == "sss", let texts = signal.texts,
      texts.count == 3
    else { return false }
    let isVisible = policy.names == nil || isAudit || level(texts[0]) >= .see
    let isSubscribed = matches.map(\.rule).contains { rule in
      switch rule {
      case "signals", "everything": true
      case "org.foo", Self.ownRule + ",arg0='org.foo'": texts[0] == "org.foo"
      case "org.foo and below": texts[0] == "org.foo" || texts[0].hasPrefix("org.foo.")
      case Self.ownRule: true
      case Self.ownRule + ",arg2=''": texts[2].isEmpty
      default: false
      }
    }
    // Before the client has its name nothing is followed, but that somebody leaves.
    if !name.isEmpty || texts[0].hasPrefix(":") { self.names?.change(texts[0], texts[2]) }
    return isVisible && isSubscribed
  }

  /// A list that answers what nobody answers with a list was the second answer to a call before with that serial: no bus gives one.
  mutating func noteList(answering call: Call) {
    switch call.purpose {
    case .listNames, .own(.listNames): break
    default: hasListFromNowhere = true
    }
  }
}

extension Draft {
  /// What an answer to a call of the gate's own says; nil if that is not what it should be.
  func texts(of call: ReferenceNames.OwnCall) -> [String]? {
    switch call {
    case .listNames: signature == "as" ? texts : nil
    case .getNameOwner: signature == "s" ? texts : nil
    case .addMatch, .removeMatch, .releaseName: nil
    }
  }

  /// A list that answers what nobody answers with a list was the second answer to a call before with that serial: no bus gives one.
  mutating func noteList(answering call: Call) {
    switch call.purpose {
    case .listNames, .own(.listNames): break
    default: hasListFromNowhere = true
    }
  }
}
