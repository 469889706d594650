// What the naive gate makes of calls to the message bus itself: which are open, and what their arguments may be. Hello is among them.

extension ReferenceGate {
  /// Whether a reply is the answer to `call`.
  func answers(_ reply: Draft, _ call: Call) -> Bool {
    let isFromDriver = reply.sender == Self.driver
    if call.destination == Self.driver && !isFromDriver && reply.sender != nil { return false }
    if call.destination.hasPrefix(":") && reply.sender != call.destination && !(reply.type == 3 && isFromDriver) { return false }
    switch call.purpose {
    case .hello, .ownHello: return true
    case .call, .addMatch, .requestName, .listNames, .question:
      let isUnaddressed = call.destination == Self.driver && reply.sender == nil && reply.destination == nil
      return isUnaddressed || (reply.destination == name && !name.isEmpty)
    case .becomeMonitor, .own, .ownNameHasOwner: return reply.destination == name && !name.isEmpty
    }
  }

  // MARK: The driver

  private enum Access { case always, rule, literally }

  private static let interfaces: [(name: String, access: Access, members: [String])] = [
    (
      driver, .always,
      [
        "Hello", "AddMatch", "RemoveMatch", "GetId", "GetNameOwner", "NameHasOwner", "ListNames", "ListActivatableNames",
        "ListQueuedOwners", "GetConnectionUnixUser", "GetConnectionUnixProcessID", "GetConnectionCredentials",
        "GetAdtAuditSessionData", "GetConnectionSELinuxSecurityContext",
      ]
    ),
    ("org.freedesktop.DBus.Peer", .always, ["Ping", "GetMachineId"]),
    ("org.freedesktop.DBus.Introspectable", .always, ["Introspect"]),
    ("org.freedesktop.DBus.Properties", .always, ["Get", "GetAll"]),
    (driver, .rule, ["RequestName", "ReleaseName", "StartServiceByName"]),
    (driver, .literally, ["UpdateActivationEnvironment", "ReloadConfig"]),
    ("org.freedesktop.DBus.Properties", .literally, ["Set"]),
    ("org.freedesktop.DBus.Monitoring", .literally, ["BecomeMonitor"]),
    ("org.freedesktop.DBus.Debug.Stats", .literally, ["GetStats", "GetConnectionStats", "GetAllMatchRules"]),
  ]

  mutating func driverCall(_ message: Draft, _ size: Size) -> Bool {
    if isHello(message) { return helloCall(message) }
    let member = message.member ?? ""
    let known = Self.interfaces.first {
      message.type == 1 && $0.members.contains(member) && (message.interface == nil || message.interface == $0.name)
    }
    let isDenied = policy.denies(.outgoing, message, as: message.interface, of: toDriver)
    guard let known else {
      let isOpen =
        !isDenied && message.interface.map { policy.allows(.outgoing, message, as: $0, of: toDriver, literally: true) } ?? false
      return isOpen ? expects(message, to: Self.driver, .call) : refuse(message, "AccessDenied")
    }
    if policy.names != nil || member == "StartServiceByName", let question = Self.questions[member] {
      if isDenied && !isAudit { return refuse(message, "AccessDenied") }
      return ask(question, message, size)
    }
    switch known.access {
    case .literally:
      if isDenied || !policy.allows(.outgoing, message, as: known.name, of: toDriver, literally: true) {
        return refuse(message, "AccessDenied")
      }
    case .always:
      if isDenied && !isAudit { return refuse(message, "AccessDenied") }
    case .rule:
      if isDenied && !isAudit { return refuse(message, "AccessDenied") }
      if !isAudit && !opensNames && !policy.allows(.outgoing, message, as: known.name, of: toDriver) {
        return refuse(message, "AccessDenied")
      }
    }
    return inspect(message, member, size)
  }

  private mutating func inspect(_ message: Draft, _ member: String, _ size: Size) -> Bool {
    let isInspected = ["AddMatch", "RemoveMatch", "RequestName", "ReleaseName", "BecomeMonitor"].contains(member)
    if isInspected && message.unixFDs ?? 0 > 0 { return refuse(message, "InvalidArgs") }
    if let need = Self.questions[member], need == .see || member == "ListQueuedOwners" {
      let isRead = size.message <= limits.inspectBytesMax && message.signature == "s"
      return expects(message, to: Self.driver, question(member, need, isRead ? message.leadingText : nil))
    }
    if ["ListNames", "ListActivatableNames"].contains(member) { return expects(message, to: Self.driver, .listNames) }
    if !isInspected { return expects(message, to: Self.driver, .call) }
    if member == "BecomeMonitor" && message.wantsAnswer && !hasCertainAnswer(message) { return refuse(message, "InvalidArgs") }
    if member == "BecomeMonitor" { return expects(message, to: Self.driver, .becomeMonitor) }
    if size.message > limits.inspectBytesMax { return refuse(message, "LimitsExceeded") }
    guard let argument = message.leadingText, message.signature == (member == "RequestName" ? "su" : "s") else {
      return refuse(message, "InvalidArgs")
    }
    return inspectArgument(message, member, argument)
  }

  mutating func inspectArgument(_ message: Draft, _ member: String, _ argument: String) -> Bool {
    switch member {
    case "RequestName":
      if argument.isEmpty || argument.utf8.count > 255 { return expects(message, to: Self.driver, .call) }
      let place = requested.firstIndex { $0.name == argument }
      if place == nil && requested.count >= min(limits.namesMax, limits.namesTotal) { return refuse(message, "LimitsExceeded") }
      let number = place.map { requested[$0].number } ?? nextNumber
      if !expects(message, to: Self.driver, hasCertainAnswer(message) ? .requestName(number) : .call) { return false }
      noteRequest(argument, number, message)
    case "ReleaseName":
      if !expects(message, to: Self.driver, .call) { return false }
      requested.removeAll { $0.name == argument }
    default: return matchRule(message, member, argument)
    }
    return true
  }

  /// What all match rules of the gate's own begin with.
  static let ownRule =
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged'"

  /// Match rules that are said here, and what each means; what is not here can't be parsed.
  static let matchRules: [String: (rule: String, hasEavesdrop: Bool)] = [
    "type='signal'": ("signals", false), "type=signal": ("signals", false), " type =signal,": ("signals", false),
    "type='signal',member='Do'": ("Do", false), "member=Do,type='sig'nal": ("Do", false), "": ("everything", false),
    "eavesdrop='true'": ("", true), "type=signal,eavesdrop =tr'ue'": ("", true),
    "member='Do',eavesdrop='false'": ("member", true), ownRule + ",arg0='org.foo',eavesdrop='false'": ("org.foo", true),
    ownRule: (ownRule, false), ownRule + ",arg2=''": (ownRule + ",arg2=''", false),
    ownRule + ",arg0='org.foo'": (ownRule + ",arg0='org.foo'", false),
    " arg0=org.foo," + ownRule + ",": (ownRule + ",arg0='org.foo'", false),
    "arg0='org.foo',member='NameOwnerChanged'": ("org.foo", false), "arg0namespace=org.foo": ("org.foo and below", false),
    "member=Do": ("member", false),
  ]
  static let brokenMatchRules = [
    "type", "type= signal", "type='sig", "typ='signal'", "type='signal',type='signal'", "member='a.b'",
  ]

  // MARK: Hello

  func isHello(_ message: Draft) -> Bool {
    message.type == 1 && message.member == "Hello" && (message.interface ?? Self.driver) == Self.driver
      && (message.destination ?? Self.driver) == Self.driver
  }

  package mutating func sayHello(avoiding serial: UInt32) {
    let own = serial == .max ? .max - 1 : UInt32.max
    (hello, saidHello) = (.askedByGate, true)
    outgoing[own] = Call(destination: Self.driver, purpose: .ownHello)
    toBus.append(Own(word: "Hello", replySerial: 0, destination: Self.driver, serial: own))
  }

  mutating func helloCall(_ message: Draft) -> Bool {
    if message.unixFDs ?? 0 > 0 { return refuse(message, "InvalidArgs") }
    if saidHello && hello == .answered && !name.isEmpty {
      if message.wantsAnswer { tellClient("return", message.serial) }
      return false
    }
    if hello == .unsaid { hello = .asked }
    return expects(message, to: Self.driver, .hello)
  }
}
