// What the contract says of what the client has at the bus: match rules, beside the gate's own, and names, which a policy may take away.
// See ReferenceGate.

extension ReferenceGate {
  // MARK: Match rules

  /// A match rule of the client's, by what it means.
  struct Match {
    var rule: String
    var number: Int
    /// Forwarded AddMatches that asked for an answer and those without one yet; those that asked for none; those that the gate answered.
    var awaited = 0, unanswered = 0, silent = 0, answered = 0
    var count: Int { awaited + silent + answered }
  }

  /// Something that adds or removes a match rule, or would.
  struct MatchEvent {
    enum Deed { case add, remove }
    var does: Deed
    var rule: String
    /// Whether it is of the gate's own.
    var isOwn: Bool
    var serial: UInt32
    /// Whether the gate answered it.
    var isAnsweredHere = false
    /// Whether it asks for no answer.
    var isSilent = false
    /// Whether the bus said that it has done it; of what asks for no answer nobody knows.
    var hasSucceeded = false
  }

  mutating func matchRule(_ message: Draft, _ member: String, _ text: String) -> Bool {
    guard let (rule, hasEavesdrop) = Self.matchRules[text] else { return refuse(message, "MatchRuleInvalid") }
    if hasEavesdrop { return refuse(message, "AccessDenied") }
    return member == "AddMatch" ? addMatch(message, rule) : removeMatch(message, rule)
  }

  private mutating func addMatch(_ message: Draft, _ rule: String) -> Bool {
    if matches.map(\.count).reduce(0, +) >= limits.matchesMax { return refuse(message, "LimitsExceeded") }
    let isOwn = names?.matches[rule] != nil
    let place = matches.firstIndex { $0.rule == rule } ?? matches.count
    let number = place < matches.count ? matches[place].number : nextNumber
    if isOwn {
      if message.wantsAnswer { tellClient("return", message.serial) }
    } else if !expects(message, to: Self.driver, hasCertainAnswer(message) ? .addMatch(number) : .call) {
      return false
    }
    if place == matches.count {
      matches.append(Match(rule: rule, number: number))
      nextNumber += 1
    }
    if isOwn {
      matches[place].answered += 1
    } else if hasCertainAnswer(message) {
      matches[place].awaited += 1
      matches[place].unanswered += 1
    } else {
      matches[place].silent += 1
    }
    matchLog.append(
      .init(
        does: .add, rule: rule, isOwn: false, serial: message.serial, isAnsweredHere: isOwn, isSilent: !hasCertainAnswer(message))
    )
    return !isOwn
  }

  private mutating func removeMatch(_ message: Draft, _ rule: String) -> Bool {
    let place = matches.firstIndex { $0.rule == rule }
    let forwarded = place.map { matches[$0].awaited + matches[$0].silent } ?? 0
    if let own = names?.matches[rule] {
      guard let place else { return refuse(message, "MatchRuleNotFound") }
      if forwarded == 0 {
        matches[place].answered -= 1
        dropIfGone(place)
        matchLog.append(.init(does: .remove, rule: rule, isOwn: false, serial: message.serial, isAnsweredHere: true))
        if !own.isWanted && !matches.contains(where: { $0.rule == rule }) {
          names?.remove(rule)
          for _ in 0..<own.count { make(.removeMatch(rule)) }
        }
        if message.wantsAnswer { tellClient("return", message.serial) }
        return false
      }
      if !expects(message, to: Self.driver, .call) { return false }
      // Those that may yet turn out to be refused are no reason to let one be removed.
      if matches[place].awaited - matches[place].unanswered < 1 {
        names?.addAgain(rule)
        make(.addMatch(rule))
      }
    } else if !expects(message, to: Self.driver, .call) {
      return false
    }
    matchLog.append(.init(does: .remove, rule: rule, isOwn: false, serial: message.serial))
    if let place { takeForwarded(place) }
    return true
  }

  private mutating func takeForwarded(_ place: Int) {
    if matches[place].awaited > 0 {
      matches[place].awaited -= 1
    } else if matches[place].silent > 0 {
      matches[place].silent -= 1
    }
    dropIfGone(place)
  }

  private mutating func dropIfGone(_ place: Int) {
    if matches[place].count == 0 { matches.remove(at: place) }
  }

  /// The bus answered an AddMatch.
  mutating func noteAdded(_ number: Int, _ serial: UInt32, _ succeeded: Bool) {
    if succeeded,
      let event = matchLog.lastIndex(where: {
        $0.does == .add && !$0.isOwn && $0.serial == serial && !$0.isAnsweredHere && !$0.isSilent
      })
    {
      matchLog[event].hasSucceeded = true
    }
    guard let place = matches.firstIndex(where: { $0.number == number }) else { return }
    matches[place].unanswered -= 1
    if !succeeded { takeForwarded(place) }
  }

  // MARK: Names

  /// A name that the client asked for.
  struct Request {
    var name: String
    var number: Int
    var path: String
    var unanswered = 0
    var isHeld = false
  }

  /// A name that the gate takes from the client.
  struct Release {
    var name: String
    var isTold = false
  }

  mutating func noteRequest(_ name: String, _ number: Int, _ message: Draft) {
    if number == nextNumber {
      requested.append(Request(name: name, number: number, path: ""))
      nextNumber += 1
    }
    for place in requested.indices where requested[place].number == number {
      if let path = message.path, path.utf8.count <= 255 { requested[place].path = path }
      if hasCertainAnswer(message) { requested[place].unanswered += 1 } else { requested[place].isHeld = true }
    }
  }

  /// The bus answered a RequestName: the client has the name, or has not, or all is as before.
  mutating func noteRequested(_ number: Int, _ isHeld: Bool?) {
    for place in requested.indices where requested[place].number == number {
      requested[place].unanswered -= 1
      requested[place].isHeld = isHeld ?? requested[place].isHeld
    }
    requested.removeAll { $0.number == number && !$0.isHeld && $0.unanswered == 0 }
  }

  /// Another policy is in force: what it does not let the client own is given back.
  package mutating func takeNames() {
    if isMonitor || hello == .unsaid { return }
    let lost = requested.filter { !mayOwn($0) }
    requested.removeAll { request in lost.contains { $0.number == request.number } }
    for request in lost {
      releases.append(Release(name: request.name))
      make(.releaseName(request.name))
    }
  }

  private func mayOwn(_ request: Request) -> Bool {
    if isAudit { return true }
    let message = Draft.driver(1, "RequestName").changed { $0.path = request.path }
    if policy.denies(.outgoing, message, as: Self.driver, of: toDriver) { return false }
    if policy.names != nil && policy.level({ ReferenceNames.matches($0, request.name) }) >= .own { return true }
    return opensNames || policy.allows(.outgoing, message, as: Self.driver, of: toDriver)
  }

  mutating func noteLoss(_ name: String) {
    if let place = releases.firstIndex(where: { $0.name == name && !$0.isTold }) { releases[place].isTold = true }
  }

  /// The bus answered a ReleaseName of the gate's own.
  mutating func noteReleased(_ name: String, _ reply: Draft, _ size: Size) {
    guard let place = releases.firstIndex(where: { $0.name == name }) else {
      complaint = "\(name) was released unasked"
      return
    }
    let release = releases.remove(at: place)
    if reply.type == 3 {
      cannotRelease = acquired.contains(name)
    } else if !release.isTold && !acquired.contains(name) && size.message <= limits.inspectBytesMax
      && reply.signature == "u" && reply.leadingNumber == 1
    {
      toClient.append(Own(word: "NameLost", replySerial: 0, destination: self.name, serial: takeSerial(), texts: [name]))
    }
  }

  // MARK: Monitors

  /// Whether the policy in force lets the client be a monitor.
  package var mayMonitor: Bool {
    let interface = "org.freedesktop.DBus.Monitoring"
    return policy.allows(
      .outgoing, .driver(1, interface: interface, "BecomeMonitor"), as: interface, of: toDriver, literally: true)
  }

  /// Whether `message` would make a monitor of the client that may not be one.
  package func wouldGrantMonitor(_ message: Draft) -> Bool {
    message.type == 2 && outgoing[message.replySerial ?? 0]?.purpose == .becomeMonitor && !mayMonitor
  }
}
