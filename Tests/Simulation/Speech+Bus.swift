// What simulated buses say: for peers, for the driver, and in answer to what is under way. See Speech.

extension Speech {
  // MARK: The bus

  func incoming(_ choices: inout Choices, _ gate: ReferenceGate) -> Said {
    let serial = Self.serial(&choices)
    let own = gate.name.isEmpty ? Rig.name : gate.name
    var to = choices.chance(85) ? own : choices.pick([":1.9", "org.a", "org.b"])
    if !gate.acquired.isEmpty && choices.chance(40) { to = choices.pick(gate.acquired.sorted()) }
    if choices.chance(temper.driver) {
      let answers = choices.chance(60)
      return finished(answers ? answer(&choices, serial, own, gate) : driverSignal(&choices, serial, own), &choices)
    }
    var message: Draft
    switch choices.below(14) {
    case 0...3:
      message = .call(
        serial, to: choices.chance(95) ? to : nil, interface: choices.pick(Self.interfaces), choices.pick(Self.methods),
        path: choices.pick(Self.paths), from: choices.pick([":1.5", ":1.6", ":1.8", Self.driver]))
    case 4, 5:
      message = .signal(
        serial, to: choices.chance(50) ? nil : to, interface: choices.pick(["org.foo.Bar", "org.foo.Baz"]),
        choices.pick(Self.signals), from: choices.pick([":1.5", ":1.5", Self.driver]))
    case 6, 7: message = driverSignal(&choices, serial, to)
    case 8...12: return finished(answer(&choices, serial, choices.chance(90) ? own : to, gate), &choices)
    default: message = Draft(type: UInt8(choices.below(250)) + 5, serial: serial, sender: ":1.5")
    }
    if choices.chance(3) { message.sender = nil }
    return finished(message, &choices)
  }

  private func driverSignal(_ choices: inout Choices, _ serial: UInt32, _ to: String) -> Draft {
    let member = choices.pick(["NameAcquired", "NameAcquired", "NameLost", "NameOwnerChanged", "ActivatableServicesChanged"])
    var message = Draft.signal(
      serial, to: member.hasPrefix("Name") ? to : nil, interface: Self.driver, member, path: "/org/freedesktop/DBus",
      from: Self.driver)
    if member == "NameOwnerChanged" && choices.chance(90) { return ownerSignal(&choices) }
    if member != "ActivatableServicesChanged" { message = message.with([.string(choices.pick(["org.a", "org.b", Rig.name]))]) }
    return message
  }

  /// What everybody is told of who owns what.
  func ownerSignal(_ choices: inout Choices) -> Draft {
    Draft.signal(
      Self.serial(&choices), interface: Self.driver, "NameOwnerChanged", path: "/org/freedesktop/DBus", from: Self.driver
    ).with(ownerChange(&choices).map { .string($0) })
  }

  /// A name, its old owner, its new one.
  private func ownerChange(_ choices: inout Choices) -> [String] {
    if choices.chance(15) {
      let unique = choices.pick(Self.uniques.dropLast())
      return choices.chance(70) ? [unique, unique, ""] : [unique, "", unique]
    }
    let old = choices.pick(Self.uniques + [""])
    return [choices.pick(allNames), old, choices.pick(Self.uniques + [""])]
  }

  /// What a bus says to a call of the gate's own, where nothing has happened for long.
  static func answer(_ call: ReferenceNames.OwnCall, _ answer: Draft) -> Draft {
    switch call {
    case .addMatch, .removeMatch: answer
    case .listNames: answer.with([.strings([driver] + uniques + names)])
    case .getNameOwner: answer.with([.string(uniques[0])])
    }
  }

  private func answer(_ choices: inout Choices, _ call: ReferenceNames.OwnCall, _ answer: Draft) -> Draft {
    let mood = choices.below(1000)
    if mood < 4 { return answer.with([.number(1)]) }
    if mood >= 1000 - temper.refusals { return answer.changed { ($0.type, $0.errorName) = (3, "org.foo.Error.LimitsExceeded") } }
    switch call {
    case .addMatch, .removeMatch: return answer
    case .listNames: return answer.with([listedNames(&choices)])
    case .getNameOwner:
      if choices.chance(30) { return answer.changed { ($0.type, $0.errorName) = (3, "org.foo.Error.NameHasNoOwner") } }
      return answer.with([.string(choices.pick(Self.uniques))])
    }
  }

  private var allNames: [String] { Self.names + (temper.hasSecret ? [Self.secret] : []) }

  private func listedNames(_ choices: inout Choices) -> Draft.Value {
    .strings([Self.driver, Rig.name] + allNames.filter { _ in choices.chance(60) } + Self.uniques)
  }

  private func answer(_ choices: inout Choices, _ serial: UInt32, _ to: String, _ gate: ReferenceGate) -> Draft {
    let from = choices.pick(Self.peers)
    let called = gate.outgoing.sorted { $0.key < $1.key }
    if called.isEmpty || choices.chance(15) {
      return choices.chance(60)
        ? .answer(serial, to: Self.serial(&choices), of: to, from: from)
        : .error(serial, to: Self.serial(&choices), of: to, from: from)
    }
    let own = called.filter { if case .own = $0.value.purpose { true } else { false } }
    let (replySerial, call) = choices.pick(!own.isEmpty && choices.chance(70) ? own : called)
    return self.answer(&choices, serial, to, replySerial, call, from: choices.chance(80) ? call.destination : from)
  }

  /// What a bus would most likely say to `call`.
  func answer(
    _ choices: inout Choices, _ serial: UInt32, _ to: String, _ replySerial: UInt32, _ call: ReferenceGate.Call, from: String
  ) -> Draft {
    if case .own(let asked) = call.purpose {
      return answer(&choices, asked, .answer(serial, to: replySerial, of: to, from: from))
    }
    if choices.chance(25) { return .error(serial, to: replySerial, of: to, from: from) }
    var message = Draft.answer(serial, to: replySerial, of: to, from: from)
    switch call.purpose {
    case .hello, .ownHello: message = message.with([.string(to)])
    case .requestName: message = message.with([.number(UInt32(choices.below(4)) + 1)])
    case .call:
      // dbus-daemon answers a call without DESTINATION so.
      if call.destination == Self.driver && choices.chance(10) { (message.sender, message.destination) = (nil, nil) }
    case .listNames: message = message.with([listedNames(&choices)])
    case .addMatch, .becomeMonitor, .own: break
    }
    return message
  }
}
