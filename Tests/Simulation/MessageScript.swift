// What simulated clients and buses say: everything that the contract has a word about, in few enough variants that they meet each other.
// A message is legal unless it says what is wrong with it.

/// Makes messages out of choices.
struct MessageScript {
  struct Said {
    var message: Draft
    var bytes: [UInt8]
    var defect: Wire.Defect?
    var descriptors = 0
    /// How many bytes of the message come before its descriptors.
    var lateBy = 0

    /// Takes the numbers of a header away: what is looked at when it is the last one again.
    mutating func spoil(_ choices: inout Choices) {
      if bytes.count >= 400 { return }
      if message.isReply && choices.chance(50) {
        message.replySerial = 0
      } else if choices.chance(50) {
        message.serial = 0
      } else {
        message.body = message.body.isEmpty ? [0] : []
      }
      bytes = message.bytes
      defect = .malformed
    }
  }

  var temper = Temper()
  /// Whether the speaker agreed to take descriptors, and so may send some.
  var mayPassDescriptors = false
  /// How many of 100 messages have to do with the driver, besides those that have anyway.
  var driverShare = 0
  /// How many others call the client.
  var callerCount = 2

  static let driver = ReferenceGate.driver
  private static let peers = [":1.5", ":1.6", ":1.7", "org.foo", "org.foo.Other", driver]
  /// Names, and who may own them.
  static let names = ["org.foo", "org.foo.Other", "org.a", "org.b", "org.c", "org.hid.x"]
  static let uniques = [":1.5", ":1.6", ":1.8", Rig.name]
  private static let patterns = [
    "org.foo", "org.foo.*", "org.foo.Other", "org.a", "org.b", "org.c", "org.?", "*.c", "org.*", "org.h?d.*",
  ]
  private static let interfaces: [String?] = ["org.foo.Bar", "org.foo.Bar", "org.foo.Baz", "com.example.Do", nil]
  private static let paths = ["/foo", "/foo", "/foo/bar", "/"]
  private static let methods = ["Do", "Do", "Undo", "Get"]
  private static let signals = ["Sig", "Sig", "Other"]

  // MARK: Rules

  static func policy(_ choices: inout Choices, _ temper: Temper) -> ReferencePolicy {
    var policy = ReferencePolicy()
    let patterns = temper.isAboutHoldings ? ["org.foo", "org.foo", "org.a", "org.b"] : patterns
    let hasNames = choices.chance(temper.names)
    if hasNames && (temper.hasSecret || choices.chance(80)) {
      policy.names = (0..<choices.below(5)).map { _ in (choices.pick([.see, .talk, .own]), choices.pick(patterns)) }
      // In the order in which the document has them.
      policy.names?.sort { $0.level < $1.level }
      policy.showsUniqueNames = choices.chance(15)
      policy.trustsPeers = choices.chance(30)
    }
    if choices.chance(70) { policy.rules.append(ReferencePolicy.Rule(methods: ["Do", "Sig"])) }
    if temper.isAboutHoldings && choices.chance(60) {
      policy.rules.append(ReferencePolicy.Rule(methods: ["RequestName", "ReleaseName"]))
    }
    for _ in 0..<choices.below(5) {
      var rule = ReferencePolicy.Rule()
      rule.direction = choices.pick(["outgoing", "incoming", "*"])
      rule.interface = choices.pick([
        "*", "org.foo.Bar", "org.foo.*", "*.Bar", "org.?oo.B*", "**", driver, "org.freedesktop.DBus.Monitoring",
        "org.freedesktop.*",
      ])
      rule.path = choices.pick(["*", "*", "/foo", "/foo/*", "/?oo*", "/org/freedesktop/DBus"])
      let members = [
        "*", "Do", "D*", "?et", "Sig", "*o*", "BecomeMonitor", "RequestName", "StartServiceByName", "ReloadConfig",
        "ActivatableServicesChanged", "Hello", "ListNames",
      ]
      rule.methods = (0...choices.below(3)).map { _ in choices.pick(members) }
      rule.type = choices.pick([nil, nil, "method_call", "signal"])
      rule.descriptorsMax = choices.pick([nil, nil, nil, 0, 1, 253])
      rule.isDeny = choices.chance(25)
      rule.log = choices.pick([nil, nil, true, false])
      if hasNames && choices.chance(50) { rule.name = choices.pick(patterns) }
      policy.rules.append(rule)
    }
    // A rule that takes back what another gives, from everybody or from some.
    if choices.chance(25), var denial = policy.rules.last(where: { !$0.isDeny }) {
      (denial.isDeny, denial.descriptorsMax, denial.type) = (true, nil, nil)
      if hasNames { denial.name = choices.pick([nil] + patterns) }
      policy.rules.append(denial)
    }
    if choices.chance(25) {
      policy.rules.append(
        ReferencePolicy.Rule(interface: "org.freedesktop.DBus.Monitoring", methods: ["BecomeMonitor"]))
    }
    return policy
  }

  // MARK: The client

  func outgoing(_ choices: inout Choices, _ gate: ReferenceGate) -> Said {
    var serial = Self.serial(&choices)
    // Not of the lower block of own serials: see ReferenceGate.allowsOutgoing.
    if let own = gate.serialsAboutCallers.first, own >= 0xFF00_0000, choices.chance(10) { serial = own }
    if choices.chance(driverShare) { return finished(driverCall(&choices, serial), &choices) }
    var message: Draft
    switch choices.below(16) {
    case 0...4:
      message = .call(
        serial, to: choices.pick(Self.peers), interface: choices.pick(Self.interfaces), choices.pick(Self.methods),
        path: choices.pick(Self.paths))
    case 5, 6:
      message = .signal(
        serial, to: choices.pick([nil, nil, ":1.5", Self.driver]), interface: choices.pick(["org.foo.Bar", "org.foo.Baz"]),
        choices.pick(Self.signals), path: choices.pick(Self.paths))
    case 7...9: message = reply(&choices, serial, to: gate)
    case 10...14: message = driverCall(&choices, serial)
    default: message = Draft(type: UInt8(choices.below(250)) + 5, serial: serial)
    }
    if choices.chance(10) { message.sender = choices.pick(Self.peers) }
    if choices.chance(2) { message.containerInstance = "/a/b" }
    return finished(message, &choices)
  }

  private func reply(_ choices: inout Choices, _ serial: UInt32, to gate: ReferenceGate) -> Draft {
    var message: Draft =
      choices.chance(30)
      ? .error(serial, to: Self.serial(&choices), of: ":1.5")
      : .answer(serial, to: Self.serial(&choices), of: choices.pick(Self.peers))
    let waiting = gate.incoming.names.filter { !$0.isEmpty }
    if !waiting.isEmpty && choices.chance(callerCount > 2 ? 30 : 75) {
      let caller = choices.pick(waiting)
      (message.destination, message.replySerial) = (caller, choices.pick(gate.incoming.serials(of: caller)))
    }
    return message
  }

  private func driverCall(_ choices: inout Choices, _ serial: UInt32) -> Draft {
    if choices.chance(temper.isAboutHoldings ? 80 : 0) { return holdingsCall(&choices, serial) }
    let rules = ReferenceGate.matchRules.keys.sorted() + ReferenceGate.brokenMatchRules
    var message: Draft
    switch choices.below(10) {
    case 0: message = .driver(serial, "Hello")
    case 1, 2: message = .driver(serial, "AddMatch", .string(choices.pick(rules)))
    case 3: message = .driver(serial, "RemoveMatch", .string(choices.pick(rules)))
    case 4: message = .driver(serial, "RequestName", .string(choices.pick(["org.a", "org.b", "org.c"])), .number(0))
    case 5: message = .driver(serial, "ReleaseName", .string(choices.pick(["org.a", "org.b"])))
    case 6: message = .driver(serial, "StartServiceByName", .string(choices.pick(Self.names)), .number(0))
    case 7: message = .driver(serial, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor")
    case 8: message = .driver(serial, choices.pick(["ReloadConfig", "UpdateActivationEnvironment", "Later"]))
    default: message = question(&choices, serial)
    }
    switch choices.below(10) {
    case 0: message.interface = nil
    case 1: message.interface = choices.pick(["org.foo.Bar", "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Later"])
    case 2: message.destination = nil
    case 3: message.path = "/foo"
    case 4: (message.signature, message.body) = ("", [])
    default: break
    }
    return message
  }

  /// What the client has at the bus when the policy changes.
  private func holdingsCall(_ choices: inout Choices, _ serial: UInt32) -> Draft {
    let own = ["", ",arg2=''", ",arg0='org.foo'"].map { ReferenceGate.ownRule + $0 }
    return switch choices.below(8) {
    case 0, 1: .driver(serial, "AddMatch", .string(choices.pick(own)))
    case 2, 3: .driver(serial, "RemoveMatch", .string(choices.pick(own)))
    case 4: .driver(serial, "RequestName", .string(choices.pick(["org.a", "org.b"])), .number(0))
    case 5: .driver(serial, "NameHasOwner", .string(choices.pick(Self.names)))
    case 6: question(&choices, serial)
    default: .driver(serial, "ReleaseName", .string(choices.pick(["org.a", "org.b"])))
    }
  }

  private func question(_ choices: inout Choices, _ serial: UInt32) -> Draft {
    let member = choices.pick([
      "ListNames", "ListActivatableNames", "GetId", "NameHasOwner", "GetNameOwner", "GetConnectionUnixUser", "ListQueuedOwners",
    ])
    let about = choices.pick(Self.names + Self.uniques + [Self.driver])
    if choices.chance(20) { return .driver(serial, "RequestName", .string(about), .number(0)) }
    if choices.chance(15) { return .driver(serial, "StartServiceByName", .string(about), .number(0)) }
    let draft = Draft.driver(serial, member)
    return member.hasPrefix("List") && member.hasSuffix("Names") || member == "GetId" ? draft : draft.with([.string(about)])
  }

  // MARK: The bus

  func incoming(_ choices: inout Choices, _ gate: ReferenceGate) -> Said {
    let serial = Self.serial(&choices)
    let own = gate.name.isEmpty ? Rig.name : gate.name
    var to = choices.chance(85) ? own : choices.pick([":1.9", "org.a", "org.b"])
    if !gate.acquired.isEmpty && choices.chance(40) { to = choices.pick(gate.acquired.sorted()) }
    if choices.chance(driverShare) {
      let answers = choices.chance(60)
      return finished(answers ? answer(&choices, serial, own, gate) : driverSignal(&choices, serial, own, gate), &choices)
    }
    var message: Draft
    switch choices.below(14) {
    case 0...3:
      message = .call(
        serial, to: choices.chance(95) ? to : nil, interface: choices.pick(Self.interfaces), choices.pick(Self.methods),
        path: choices.pick(Self.paths), from: caller(&choices))
    case 4, 5:
      message = .signal(
        serial, to: choices.chance(50) ? nil : to, interface: choices.pick(["org.foo.Bar", "org.foo.Baz"]),
        choices.pick(Self.signals), from: choices.pick([":1.5", ":1.5", Self.driver]))
    case 6, 7: message = driverSignal(&choices, serial, to, gate)
    case 8...12: return finished(answer(&choices, serial, choices.chance(90) ? own : to, gate), &choices)
    default: message = Draft(type: UInt8(choices.below(250)) + 5, serial: serial, sender: ":1.5")
    }
    // Every bus says who sent it; what does not say so is judged as anybody's.
    if choices.chance(temper.hasSecret ? 0 : 3) { message.sender = nil }
    return finished(message, &choices)
  }

  private func caller(_ choices: inout Choices) -> String {
    let number = choices.below(callerCount + 1)
    return number == callerCount ? Self.driver : ":1.\(5 + number)"
  }

  private func driverSignal(_ choices: inout Choices, _ serial: UInt32, _ to: String, _ gate: ReferenceGate) -> Draft {
    let member = choices.pick(["NameAcquired", "NameAcquired", "NameLost", "NameOwnerChanged", "ActivatableServicesChanged"])
    var message = Draft.signal(
      serial, to: member.hasPrefix("Name") ? to : nil, interface: Self.driver, member, path: "/org/freedesktop/DBus",
      from: Self.driver)
    if member == "NameOwnerChanged" && choices.chance(90) {
      message.destination = nil
      return message.with(ownerChange(&choices, gate).map { .string($0) })
    }
    if member != "ActivatableServicesChanged" { message = message.with([.string(choices.pick(["org.a", "org.b", Rig.name]))]) }
    return message
  }

  /// A name, its old owner, its new one.
  private func ownerChange(_ choices: inout Choices, _ gate: ReferenceGate) -> [String] {
    if choices.chance(15) {
      let unique = choices.pick(Self.uniques.dropLast() + gate.incoming.names.filter { $0.hasPrefix(":") })
      return choices.chance(70) ? [unique, unique, ""] : [unique, "", unique]
    }
    let old = choices.pick(Self.uniques + [""])
    return [choices.pick(temper.hasSecret ? Self.names + [Self.secret] : Self.names), old, choices.pick(Self.uniques + [""])]
  }

  /// What a bus says to a call of the gate's own, where nothing has happened for long.
  static func answer(_ call: ReferenceNames.OwnCall, _ answer: Draft) -> Draft {
    switch call {
    case .addMatch, .removeMatch: answer
    case .listNames: answer.with([.strings([driver] + uniques + names)])
    case .getNameOwner: answer.with([.string(uniques[0])])
    case .releaseName: answer.with([.number(1)])
    }
  }

  private static func answer(_ choices: inout Choices, _ call: ReferenceNames.OwnCall, _ answer: Draft) -> Draft {
    switch choices.below(600) {
    case 0: return answer.with([.number(1)])
    case 1, 2: return answer.changed { ($0.type, $0.errorName) = (3, "org.foo.Error.Failed") }
    default: break
    }
    switch call {
    case .addMatch, .removeMatch: return answer
    case .listNames: return answer.with([.strings([driver, Rig.name] + names.filter { _ in choices.chance(60) } + uniques)])
    case .getNameOwner:
      if choices.chance(30) { return answer.changed { ($0.type, $0.errorName) = (3, "org.foo.Error.NameHasNoOwner") } }
      return answer.with([.string(choices.pick(uniques))])
    case .releaseName: return answer.with([.number(UInt32(choices.below(3)) + 1)])
    }
  }

  private func answer(_ choices: inout Choices, _ serial: UInt32, _ to: String, _ gate: ReferenceGate) -> Draft {
    let from = choices.pick(Self.peers)
    let called = gate.outgoing.sorted { $0.key < $1.key }
    if called.isEmpty || choices.chance(15) {
      return choices.chance(60)
        ? .answer(serial, to: Self.serial(&choices), of: to, from: from)
        : .error(serial, to: Self.serial(&choices), of: to, from: from)
    }
    let own = called.filter {
      switch $0.value.purpose {
      case .own, .ownNameHasOwner: true
      default: false
      }
    }
    let (replySerial, call) = choices.pick(!own.isEmpty && choices.chance(70) ? own : called)
    return self.answer(&choices, serial, to, replySerial, call, from: choices.chance(80) ? call.destination : from)
  }

  /// What a bus would most likely say to `call`.
  static func answer(
    _ choices: inout Choices, _ serial: UInt32, _ to: String, _ replySerial: UInt32, _ call: ReferenceGate.Call, from: String
  ) -> Draft {
    if case .own(let asked) = call.purpose {
      return answer(&choices, asked, .answer(serial, to: replySerial, of: to, from: from))
    }
    if choices.chance(25) {
      let error = Draft.error(serial, to: replySerial, of: to, from: from)
      if case .ownNameHasOwner = call.purpose { return error.with([.boolean(false)]) }
      return error
    }
    var message = Draft.answer(serial, to: replySerial, of: to, from: from)
    switch call.purpose {
    case .hello, .ownHello: message = message.with([.string(to)])
    case .requestName: message = message.with([.number(UInt32(choices.below(4)) + 1)])
    case .call:
      // dbus-daemon answers a call without DESTINATION so.
      if call.destination == driver && choices.chance(10) { (message.sender, message.destination) = (nil, nil) }
    case .listNames: message = message.with([.strings([driver, Rig.name] + names.filter { _ in choices.chance(60) } + uniques)])
    case .ownNameHasOwner: message = message.with([choices.chance(90) ? .boolean(choices.chance(50)) : .number(0)])
    case .question: message = message.with([choices.chance(50) ? .number(1) : .string(choices.pick(Self.uniques))])
    case .addMatch, .becomeMonitor, .own: break
    }
    return message
  }

  // MARK: Every message

  private static func serial(_ choices: inout Choices) -> UInt32 {
    switch choices.below(30) {
    case 0: .max
    case 1: .max - 1
    case let small: UInt32(small) + 2
    }
  }

  private func finished(_ draft: Draft, _ choices: inout Choices) -> Said {
    var message = draft
    if choices.chance(25) { message.order = .big }
    if message.order == .big && !message.body.isEmpty { message.order = .little }
    if message.type == 1 && choices.chance(25) { message.flags = Draft.noReply }
    if choices.chance(5) { message.flags |= UInt8(choices.pick([2, 4, 0x80])) }
    if !message.isReply && message.type < 5 && choices.chance(5) { message.replySerial = Self.serial(&choices) }
    if choices.chance(20) && message.body.isEmpty {
      message = message.padded(to: message.bytes.count + 16 + choices.below(choices.chance(80) ? 300 : 6000))
    } else if choices.chance(3) && message.path != nil {
      message.path = "/" + String(repeating: "a", count: choices.pick([250, 300, 1100]))
    }
    if choices.chance(1) && choices.chance(40) { return Self.spoiled(&choices) }
    var said = Said(message: message, bytes: message.bytes)
    if message.path?.utf8.count ?? 0 < 250 && choices.chance(15) { addDescriptors(&said, &choices) }
    return said
  }

  private func addDescriptors(_ said: inout Said, _ choices: inout Choices) {
    let count = choices.chance(90) ? choices.below(4) : 17
    let mayBeWrong = (1...3).contains(count) && said.bytes.count < 500
    if !mayPassDescriptors && !(mayBeWrong && choices.chance(2)) { return }
    said.message.unixFDs = UInt32(count)
    said.bytes = said.message.bytes
    said.descriptors = count
    said.lateBy = choices.chance(80) ? 0 : choices.below(300)
    if !mayPassDescriptors {
      said.defect = .descriptors
    } else if mayBeWrong && choices.chance(1) {
      said.descriptors -= 1
      said.defect = .descriptors
    }
  }

  /// What makes a message none: in what it says, and in how it is written.
  private static let wrongContents: [@Sendable (inout Draft) -> Void] = [
    { $0.path = "//" }, { $0.path = nil }, { $0.path = "/org/freedesktop/DBus/Local" }, { $0.interface = "foo" },
    { $0.interface = "org.freedesktop.DBus.Local" }, { $0.member = "a.b" }, { $0.member = nil }, { $0.destination = "foo" },
    { $0.sender = ":" }, { $0.body = [0] }, { $0.signature = "a" }, { $0 = .answer(7, to: 0, of: ":1.5") },
  ]
  private static let wrongBytes: [@Sendable (inout [UInt8]) -> Void] = [
    { $0[0] = UInt8(ascii: "x") }, { $0[1] = 0 }, { $0[3] = 2 }, { for i in 8..<12 { $0[i] = 0 } },
    { for i in 4..<8 { $0[i] = 0x7F } }, { for i in 12..<16 { $0[i] = 0x7F } },
  ]

  private static func spoiled(_ choices: inout Choices) -> Said {
    var message = Draft.call(7, "Do")
    if choices.chance(50) { message.order = .big }
    let choice = choices.below(wrongContents.count + wrongBytes.count)
    if choice < wrongContents.count { wrongContents[choice](&message) }
    var bytes = message.bytes
    if choice >= wrongContents.count { wrongBytes[choice - wrongContents.count](&bytes) }
    return Said(message: message, bytes: bytes, defect: .malformed)
  }
}
