// What the contract says about each message, in the order in which messages were decided on. Written from the contract, in its words and
// order (limits, replies, driver, rules, arguments), with dictionaries of text and no thought for speed; it shares no code with the
// session. Who owns which name is ReferenceNames' to remember.

/// A gate that decides naively and remembers naively.
package struct ReferenceGate {
  package struct Limits {
    package var headerBytesMax = 262_144
    package var messageBytesMax = 134_217_728
    package var inspectBytesMax = 262_144
    package var descriptorsMax = 16
    package var pendingMax = 50_000
    /// Of all connections, and there is one.
    package var pendingTotal = 100_000
    package var matchesMax = 512
    package var namesMax = 64
    package var namesTotal = 1024
  }

  /// How many bytes a message has.
  package struct Size {
    package var header: Int
    package var message: Int
  }

  /// Something that the gate says itself: the last word of an error's name, `Hello`, or `return` for Hello's repeated answer.
  package struct Own: Equatable {
    package var word: String
    package var replySerial: UInt32
    package var destination: String
    package var serial: UInt32
    /// What it says, where that is looked at.
    package var texts: [String]?
  }

  package enum HelloPhase { case unsaid, asked, askedByGate, answered }

  enum Purpose: Equatable {
    case call, hello, ownHello, becomeMonitor, listNames
    /// Whether this caller is still there.
    case ownNameHasOwner(String)
    case question(ReferencePolicy.Level, about: String?, isBoolean: Bool, policy: Int)
    case own(ReferenceNames.OwnCall)
    case addMatch(Int), requestName(Int)
  }

  /// A call of the client's that was forwarded.
  package struct Call {
    package var destination: String
    var purpose: Purpose
  }

  static let driver = "org.freedesktop.DBus"

  package var policy = ReferencePolicy()
  package var limits = Limits()
  /// Whether all names are followed, for the log.
  package var tellsOwners = false
  package var isAudit = false, opensNames = false, saysHello = false
  /// Who agreed to take descriptors.
  package var clientTakesDescriptors = false, busTakesDescriptors = false

  package var name = ""
  package var hello = HelloPhase.unsaid
  package var saidHello = false
  package var outgoing: [UInt32: Call] = [:]
  package var incoming = ReferenceCallers()
  /// The client's match rules.
  var matches: [Match] = []
  /// What became of match rules, in order.
  var matchLog: [MatchEvent] = []
  /// The names that the client asked for and did not release, and those that the gate takes from it.
  var requested: [Request] = [], releases: [Release] = []
  /// Numbers of what the client has, each another.
  var nextNumber = 1
  package var acquired: Set<String> = []
  package var isMonitor = false
  /// Whether the client got a list of names that no bus would have sent it.
  package internal(set) var hasListFromNowhere = false
  /// What is known of names, since a policy had some.
  package var names: ReferenceNames?
  /// What the gate's observer knows of them, while it has a connection.
  package var observed = ReferenceNames()
  package var isObserved = true
  /// The unique name of the gate's observer, to which no client may talk; empty while it has none.
  var observerName = ""
  /// Policies that were in force, and which of them the names are followed for.
  package var policyNumber = 1
  var followedNumber = 0
  /// The bus refused what names cannot be followed without.
  package var cannotFollow = false
  /// The bus refused to release a name.
  package var cannotRelease = false
  /// What was done too early.
  package var complaint: String?
  private var nextSerial = UInt32.max
  /// The highest serial of what asked for no answer, and may get one.
  private var unansweredSerialMax: UInt32 = 0
  /// What the gate has to say, in order.
  package var toClient: [Own] = []
  package var toBus: [Own] = []

  package init() {}

  // MARK: What is said

  mutating func takeSerial() -> UInt32 {
    defer { nextSerial = nextSerial == 1 ? .max : nextSerial - 1 }
    return nextSerial
  }

  mutating func tellClient(_ word: String, _ replySerial: UInt32) {
    toClient.append(Own(word: word, replySerial: replySerial, destination: name, serial: takeSerial()))
  }

  mutating func tellBus(_ word: String, _ replySerial: UInt32, _ destination: String) {
    toBus.append(Own(word: word, replySerial: replySerial, destination: destination, serial: takeSerial()))
  }

  // MARK: Outgoing

  /// Whether a message of the client's goes to the bus.
  package mutating func allowsOutgoing(_ message: Draft, _ size: Size) -> Bool {
    let keepsAccount = message.type == 1 && message.wantsAnswer
    let isOwn =
      switch outgoing[message.serial]?.purpose {
      case .own, .ownNameHasOwner: true
      default: false
      }
    let wasMonitor = isMonitor
    let passes = decidesOutgoing(message, size)
    if passes && !keepsAccount && isOwn && !wasMonitor {
      complaint = "\(message.told) has the serial of a call of the gate's own, and could be answered"
    }
    if passes && !keepsAccount { unansweredSerialMax = max(unansweredSerialMax, message.serial) }
    // An answer to this, which nobody waits for, is never taken for one to the gate: from now on it counts elsewhere. (No client here
    // uses serials of that other place.)
    if passes && !keepsAccount && message.serial >= 0xFF00_0000 && nextSerial >= 0xFF00_0000 { nextSerial = 0xFEFF_FFFF }
    return passes
  }

  /// Whether nothing else can look like the answer to this.
  func hasCertainAnswer(_ message: Draft) -> Bool { message.wantsAnswer && message.serial > unansweredSerialMax }

  private mutating func decidesOutgoing(_ message: Draft, _ size: Size) -> Bool {
    if size.header > limits.headerBytesMax { return refuse(message.isReply ? nil : message, "LimitsExceeded") }
    if let error = overLimit(message, size, receiverTakesDescriptors: busTakesDescriptors) { return refuse(message, error) }
    if message.containerInstance != nil { return refuse(message, "AccessDenied") }
    if hello == .unsaid && (message.type == 1 || message.type == 4) {
      // No connection to the bus is opened for anything but a whole, well-formed Hello, or by the gate that says it itself.
      if isHello(message) && (!message.signature.isEmpty || message.unixFDs ?? 0 > 0) { return refuse(message, "InvalidArgs") }
      if !isHello(message) && !saysHello { return refuse(message, "AccessDenied") }
    }
    switch message.type {
    case 1, 4:
      if !observerName.isEmpty && message.destination == observerName { return refuse(message, "AccessDenied") }
      if message.type == 1 && message.wantsAnswer && !isMonitor, case .own = outgoing[message.serial]?.purpose {
        complaint = "\(message.told) has the serial of a call of the gate's own"
      }
      if saysHello && hello == .unsaid && !(isHello(message) && message.destination != nil) { sayHello(avoiding: message.serial) }
      if hello == .askedByGate && outgoing[message.serial]?.purpose == .ownHello {
        complaint = "\(message.told) was decided on while the gate's own Hello has its serial"
      }
      if mustWaitForNames && !isHello(message) { complaint = "\(message.told) was decided on before it was known who owns what" }
      if message.destination == Self.driver || (message.type == 1 && message.destination == nil) {
        return driverCall(message, size)
      }
      let isAllowed = allows(.outgoing, message)
      if !isAllowed && !isAudit { return refuse(message, hiddenError(message) ?? "AccessDenied") }
      if isAllowed && message.type == 1 { noteCalled(message.destination ?? "") }
      return message.type == 4 || expects(message, to: message.destination ?? "", .call)
    case 2, 3: return takeIncoming(message)
    default: return false
    }
  }

  /// The client is told, if it asked; or whoever waits for the answer that does not come.
  mutating func refuse(_ message: Draft?, _ error: String) -> Bool {
    guard let message else { return false }
    if message.type == 1 && message.wantsAnswer {
      tellClient(error, message.serial)
    } else if message.isReply && takeIncoming(message) {
      tellBus(error, message.replySerial ?? 0, message.destination ?? "")
    }
    return false
  }

  mutating func takeIncoming(_ reply: Draft) -> Bool {
    guard let caller = reply.destination else { return false }
    return incoming.remove(caller, reply.replySerial ?? 0)
  }

  mutating func expects(_ message: Draft, to destination: String, _ purpose: Purpose) -> Bool {
    // A list that is told to nobody could only be told in another answer's place.
    if message.type == 1 && !message.wantsAnswer && purpose == .listNames { return isAudit }
    if !message.wantsAnswer || message.type != 1 { return true }
    if !isMonitor, case .ownNameHasOwner? = outgoing[message.serial]?.purpose {
      complaint = "\(message.told) was decided on while a call of the gate's own had its serial"
    }
    if outgoing[message.serial] != nil { return refuse(message, "InvalidArgs") }
    if outgoing.count >= min(limits.pendingMax, limits.pendingTotal) { return refuse(message, "LimitsExceeded") }
    outgoing[message.serial] = Call(destination: destination, purpose: purpose)
    return true
  }

  func overLimit(_ message: Draft, _ size: Size, receiverTakesDescriptors: Bool) -> String? {
    let count = Int(message.unixFDs ?? 0)
    if size.message > limits.messageBytesMax || count > limits.descriptorsMax { return "LimitsExceeded" }
    return count > 0 && !receiverTakesDescriptors ? "NotSupported" : nil
  }

  // MARK: Incoming

  /// Whether a message of the bus's goes to the client.
  package mutating func allowsIncoming(_ message: Draft, _ size: Size) -> Bool {
    if size.header > limits.headerBytesMax { return false }
    if let error = overLimit(message, size, receiverTakesDescriptors: clientTakesDescriptors) { return withhold(message, error) }
    if isMonitor { return true }
    switch message.type {
    case 1:
      if message.destination == nil || !addresses(message) { return false }
      if !isAudit && !allows(.incoming, message) { return withhold(message, "AccessDenied") }
      markVisible(message)
      if message.wantsAnswer && !noteCall(message.sender ?? "", message.serial) { return withhold(message, "LimitsExceeded") }
      return true
    case 2, 3:
      let passes = takeAnswer(message, size)
      if passes { markVisible(message) }
      return passes
    case 4:
      if !addresses(message) { return false }
      if message.sender == Self.driver { return driverSignal(message, size) }
      if !isAudit && !allows(.incoming, message) { return false }
      markVisible(message)
      return true
    default: return false
    }
  }

  /// The caller is told, if it asked; or the client that waits for the answer that does not come.
  mutating func withhold(_ message: Draft, _ error: String) -> Bool {
    if message.type == 1 && message.wantsAnswer && message.destination != nil && !isMonitor && addresses(message) {
      if let caller = message.sender { tellBus(error, message.serial, caller) }
    } else if message.isReply, let call = outgoing[message.replySerial ?? 0], isGivenAnError(call), answers(message, call) {
      outgoing[message.replySerial ?? 0] = nil
      tellClient(error, message.replySerial ?? 0)
    }
    return false
  }

  /// Whether the client gets an error in the place of an answer that may not pass.
  private func isGivenAnError(_ call: Call) -> Bool {
    if case .question = call.purpose { return true }
    return call.purpose == .call || call.purpose == .listNames
  }

  /// Whether a message is for everybody, or for the client, by a name that it has.
  private func addresses(_ message: Draft) -> Bool {
    guard let destination = message.destination else { return true }
    return (destination == name && !name.isEmpty) || acquired.contains(destination)
      || (name.isEmpty && message.sender == Self.driver)
  }

  /// Serials of the gate's own questions whether callers are still there, sorted.
  package var serialsAboutCallers: [UInt32] {
    outgoing.filter { if case .ownNameHasOwner = $0.value.purpose { true } else { false } }.keys.sorted()
  }

  /// Whether there is room for a call to the client; where there is little, the bus is asked for callers.
  private mutating func noteCall(_ caller: String, _ serial: UInt32) -> Bool {
    let (fits, questions) = incoming.insert(caller, serial, underWay: name.isEmpty ? nil : serialsAboutCallers.count)
    for name in questions {
      let serial = takeFreeSerial()
      toBus.append(Own(word: "NameHasOwner", replySerial: 0, destination: Self.driver, serial: serial, texts: [name]))
      outgoing[serial] = Call(destination: Self.driver, purpose: .ownNameHasOwner(name))
    }
    return fits
  }

  private mutating func takeAnswer(_ reply: Draft, _ size: Size) -> Bool {
    guard let call = outgoing[reply.replySerial ?? 0], answers(reply, call) else { return false }
    let succeeded = reply.type == 2
    if succeeded && reply.signature == "as" && call.destination == Self.driver { noteList(answering: call) }
    let isFiltered = policy.names != nil && !isAudit
    if call.purpose == .listNames && succeeded && isFiltered && size.message > limits.inspectBytesMax {
      return withhold(reply, "LimitsExceeded")
    }
    if case .requestName = call.purpose, succeeded, size.message > limits.inspectBytesMax { return false }
    if case .question(let needed, let name, let isBoolean, let policy) = call.purpose {
      return answerQuestion(reply, needed, name, isBoolean, policy)
    }
    outgoing[reply.replySerial ?? 0] = nil
    switch call.purpose {
    case .call, .question: break
    case .listNames:
      if !succeeded || !isFiltered { return true }
      giveNames(reply)
      return false
    case .own(.releaseName(let name)):
      noteReleased(name, reply, size)
      return false
    case .own(let asked):
      let isGood =
        size.message <= limits.inspectBytesMax && names?.take(asked, succeeded: succeeded, reply.texts(of: asked)) ?? false
      if isGood { callOn() } else { cannotFollow = true }
      return false
    case .ownNameHasOwner(let caller):
      let saysNo = reply.signature == "b" && reply.body == [0, 0, 0, 0]
      if succeeded && saysNo && size.message <= limits.inspectBytesMax { incoming.forget(caller) }
      return false
    case .hello: if succeeded { learn(reply.destination ?? "") }
    case .ownHello:
      if succeeded { learn(reply.destination ?? "") }
      hello = .answered
      return false
    case .addMatch(let number): noteAdded(number, reply.replySerial ?? 0, succeeded)
    case .requestName(let number): noteRequested(number, succeeded ? reply.leadingNumber != 3 : nil)
    case .becomeMonitor:
      isMonitor = succeeded
      if isMonitor && !mayMonitor { complaint = "what the policy in force does not allow became a monitor" }
    }
    return true
  }

  private mutating func learn(_ name: String) {
    if !name.hasPrefix(":") { return }
    self.name = name
    hello = .answered
    if names != nil { startFollowing() }
  }

  private mutating func driverSignal(_ signal: Draft, _ size: Size) -> Bool {
    let member = signal.member ?? ""
    guard signal.interface == Self.driver, ["NameOwnerChanged", "NameAcquired", "NameLost"].contains(member) else {
      return policy.allows(.incoming, signal, as: signal.interface, of: .init(name: Self.driver), literally: true)
    }
    if member == "NameOwnerChanged" {
      let isSubscribed = names == nil || ownerChange(signal, size)
      if size.message <= limits.inspectBytesMax, signal.signature == "sss", let texts = signal.texts, texts.count == 3,
        texts[2].isEmpty
      {
        incoming.forget(texts[0])
      }
      return isSubscribed
    }
    if size.message > limits.inspectBytesMax { return false }
    guard signal.signature == "s", let name = signal.leadingText else { return true }
    if member == "NameLost" {
      acquired.remove(name)
      noteLoss(name)
    } else if name.hasPrefix(":") {
      if self.name.isEmpty { learn(name) }
    } else if acquired.count < limits.namesMax {
      acquired.insert(name)
    }
    return true
  }

  // MARK: What the kernel refuses

  /// A message that was allowed does not go, for its descriptors. `roomToClient` and `roomToBus`: whether an error still fits.
  package mutating func withdraw(_ message: Draft, isOutgoing: Bool, roomToClient: Bool, roomToBus: Bool) {
    let error = "LimitsExceeded"
    if message.isReply {
      if isOutgoing && roomToBus { tellBus(error, message.replySerial ?? 0, message.destination ?? "") }
      if !isOutgoing && !isMonitor && roomToClient { tellClient(error, message.replySerial ?? 0) }
      return
    }
    if message.type == 1 && message.wantsAnswer {
      if isOutgoing {
        outgoing[message.serial] = nil
      } else {
        _ = incoming.remove(message.sender ?? "", message.serial)
      }
    }
    if isOutgoing && roomToClient { _ = refuse(message, error) }
    if !isOutgoing && roomToBus { _ = withhold(message, error) }
  }
}

extension Draft {
  package var isReply: Bool { type == 2 || type == 3 }
  var wantsAnswer: Bool { flags & Draft.noReply == 0 }

  /// The number that the body begins with.
  var leadingNumber: UInt32? {
    if body.count < 4 || !(signature.hasPrefix("u") || signature.hasPrefix("s")) { return nil }
    let bytes = order == .little ? body[..<4].reversed() : Array(body[..<4])
    return bytes.reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// The text that the body begins with.
  var leadingText: String? {
    guard signature.hasPrefix("s"), let count = leadingNumber, body.count > 4 + Int(count) else { return nil }
    return String(decoding: body[4..<4 + Int(count)], as: UTF8.self)
  }
}
