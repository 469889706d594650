// Scenes about what is remembered of messages: something is said until it goes by without a look, then what that rests on changes, or a
// message comes that looks the same and is not. See World+Scenes.

import GateSession

extension World {
  private var refusal: ReferencePolicy.Rule {
    // Not logged: what is logged is looked at one by one.
    ReferencePolicy.Rule(methods: ["Undo"], isDeny: true, log: false)
  }

  // MARK: Refusals

  /// What is refused again and again has descriptors, or comes from the bus.
  func refuseOften(_ side: Side) throws {
    try reload { $0.rules.append(refusal) }
    try answerGateAsLongAsItAsks()
    let takesDescriptors = side == .client ? gate.clientTakesDescriptors : gate.busTakesDescriptors
    let descriptors = takesDescriptors ? choices.pick([0, 1, 2]) : 0
    var message = Draft.call(0, to: side == .client ? "org.foo" : ownName, "Undo", from: side == .client ? nil : ":1.5")
    if choices.chance(30) { message.flags = Draft.noReply }
    for _ in 0..<choices.below(5) + 3 { tell(message, side, descriptors: descriptors) }
    try deliverAll(side)
    if choices.chance(50) { try reload { $0.rules = [refusal] } }
    tell(message, side, descriptors: descriptors)
    tell(message.changed { $0.member = "Do" }, side)
    try deliverAll(side)
  }

  /// What is refused again and again comes once under the serial of a call of the gate's own.
  func refuseUnderOwnSerial() throws {
    try reload { policy in
      if !temper.hasSecret { policy.names = nil }
      policy.rules = [ReferencePolicy.Rule(methods: ["Do"]), refusal]
    }
    try answerGateAsLongAsItAsks()
    let refused = Draft.call(0, "Undo")
    tell(refused, .client, times: 6)
    try deliverAll(.client)
    // So many callers that the gate asks whether they are still there.
    for number in 0..<choices.below(12) + 4 { tell(.call(0, to: ownName, "Do", from: ":1.\(20 + number)"), .bus) }
    try deliverAll(.bus)
    tell(refused, .client)
    let taken = gate.serialsAboutCallers.filter { $0 >= 0xFF00_0000 }
    if !taken.isEmpty {
      let message = refused.changed { $0.serial = choices.pick(taken) }
      send(.init(message: message, bytes: message.bytes), .client)
    }
    tell(refused, .client)
    try deliverAll(.client)
    try answerAll(taken)
    try deliverAll(.client)
  }

  /// The client is refused what it asks of a name that is hidden, until a call that a rule allows makes it known.
  func callHidden() throws {
    let name = choices.pick(MessageScript.names)
    try reload { policy in
      policy.names = []
      policy.rules = [ReferencePolicy.Rule(methods: ["Do"]), refusal]
      policy.rules[1].isDeny = choices.chance(50)
      if !policy.rules[1].isDeny { policy.rules[1].methods = ["Else"] }
    }
    try answerGateAsLongAsItAsks()
    for _ in 0..<2 {
      tell(.call(0, to: name, "Undo"), .client, times: choices.below(4) + 2)
      tell(.call(0, to: name, "Do"), .client, times: choices.below(2))
    }
    tell(.call(0, to: name, "Undo"), .client, times: 2)
    try deliverAll(.client)
  }

  /// What has gone by often goes by no more, since another policy is in force.
  func reloadWithinRun(_ side: Side) throws {
    var message = Draft.signal(0, to: side == .client ? nil : ownName, "Sig", from: side == .client ? nil : ":1.5")
    if choices.chance(50) {
      (message.type, message.destination, message.member) = (1, side == .client ? "org.foo" : ownName, "Do")
      if choices.chance(50) { message.flags = Draft.noReply }
    }
    tell(message, side, times: 5)
    try deliverAll(side)
    try reload { policy in
      if !temper.hasSecret && choices.chance(80) {
        policy.names = nil
        policy.rules = []
      }
      policy.rules.append(ReferencePolicy.Rule(methods: ["Do", "Sig"], isDeny: choices.chance(80)))
    }
    tell(message, side, times: 3)
    try deliverAll(side)
  }

  // MARK: What asks for no answer

  /// Much goes by that asks for no answer; then comes, with a serial no higher, what is to be sure of its answer.
  func speakWithLowerSerial() throws {
    if choices.chance(60) {
      try reload { policy in
        policy.rules.append(ReferencePolicy.Rule(interface: MessageScript.driver, methods: ["RequestName"]))
        policy.rules.append(ReferencePolicy.Rule(interface: "org.freedesktop.DBus.Monitoring", methods: ["BecomeMonitor"]))
      }
      try answerGateAsLongAsItAsks()
    }
    if choices.chance(50) {
      let message: Draft = choices.chance(50) ? .signal(0, "Sig") : .call(0, "Do").changed { $0.flags = Draft.noReply }
      tell(message, .client, times: 8)
    } else {
      let serials = (0..<8).map { _ in tell(.call(0, to: ownName, "Do", from: ":1.5"), .bus) }
      try deliverAll(.bus)
      for serial in serials { tell(.answer(0, to: serial, of: ":1.5"), .client) }
    }
    try deliverAll(.client)
    // What went by without a look counts as well.
    let lower = sceneSerial - UInt32(choices.below(4))
    let calls = [
      Draft.driver(lower, "AddMatch", .string("type='signal'")), .driver(lower, "RequestName", .string("org.a"), .number(0)),
      .driver(lower, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor"),
    ]
    let call = choices.pick(calls)
    send(.init(message: call, bytes: call.bytes), .client)
    try deliverAll(.client)
    if choices.chance(50) { refuseAnswer(lower) } else { answer(lower) }
    try deliverAll(.bus)
  }

  // MARK: Answers

  /// Somebody answers calls one after the other, and then one of which another was asked. As dbus-daemon does it, with neither SENDER nor
  /// DESTINATION, or as peers do.
  func answerForOthers() throws {
    let answerer = choices.pick([nil, ":1.6"])
    let call = answerer == nil ? Draft.driver(0, "GetId").changed { $0.destination = nil } : .call(0, "Do")
    let serials = (0..<6).map { _ in tell(call, .client) }
    let others = ["org.foo", ":1.5"].map { tell(.call(0, to: $0, "Do"), .client) }
    try deliverAll(.client)
    for serial in serials.dropLast() + [choices.pick(others)] + serials.suffix(1) {
      tell(.answer(0, to: serial, of: answerer == nil ? nil : ownName, from: answerer), .bus)
    }
    try deliverAll(.bus)
    try answerAll(others)
  }

  /// Answers that may not pass, from whoever was asked and from others; then those that were meant.
  func answerTooMuch() throws {
    for _ in 0..<choices.below(3) + 1 {
      let calls = [
        Draft.call(0, "Do"), .call(0, to: ":1.5", "Do"), .driver(0, "NameHasOwner", .string("org.foo")), .driver(0, "ListNames"),
        .driver(0, "RequestName", .string("org.a"), .number(0)), .driver(0, "AddMatch", .string("type='signal'")),
        .driver(0, "GetId"),
      ]
      tell(choices.pick(calls), .client)
    }
    try deliverAll(.client)
    if choices.chance(40) { try reload() }
    if choices.chance(30) { try deliverAll(.bus) }
    let waiting = gate.outgoing.filter { $0.value.purpose != .hello && $0.value.purpose != .ownHello }.sorted { $0.key < $1.key }
    let signal = Draft.signal(0, "Sig", from: ":1.5")
    tell(signal, .bus, times: choices.pick([0, 3]))
    for (serial, call) in waiting where choices.chance(70) {
      sayTooMuch(.answer(0, to: serial, of: ownName, from: choices.chance(75) ? call.destination : ":1.6"), .bus)
      if choices.chance(50) { tell(signal, .bus) }
    }
    try deliverAll(.bus)
    try answerAll(waiting.map(\.key))
    try answerGateAsLongAsItAsks()
  }

  /// The same of the client, which is called.
  func answerCallerTooMuch() throws {
    let serials = (0..<choices.below(4) + 1).map { _ in tell(.call(0, to: ownName, "Do", from: ":1.5"), .bus) }
    try deliverAll(.bus)
    for serial in serials {
      let caller = choices.chance(75) ? ":1.5" : ":1.6"
      sayTooMuch(.answer(0, to: serial, of: caller), .client)
      if choices.chance(50) { tell(.answer(0, to: serial, of: ":1.5"), .client) }
    }
    try deliverAll(.client)
  }

  /// Says a message that is over some limit.
  private func sayTooMuch(_ message: Draft, _ side: Side) {
    let takesDescriptors = side == .client ? gate.clientTakesDescriptors : gate.busTakesDescriptors
    switch choices.below(3) {
    case 0 where gate.limits.messageBytesMax <= 4096: tell(message.padded(to: gate.limits.messageBytesMax + 8), side)
    case 1 where takesDescriptors: tell(message, side, descriptors: gate.limits.descriptorsMax + 1)
    default: tell(message.changed { $0.path = "/" + String(repeating: "a", count: 1100) }, side)
    }
  }

  /// The client reads nothing, so that there is no room any more for what the gate has to say to it; and then come answers that may not pass.
  func answerWithoutRoom() throws {
    if temper.stalls == .never { return }
    let calls = [Draft.call(0, "Do"), .call(0, to: ":1.5", "Do"), .driver(0, "ListNames")]
    let serials = (0..<choices.pick([3, 16])).map { _ in tell(choices.pick(calls), .client) }
    try deliverAll(.client)
    give(.client, room: 0)
    let refused = Draft.call(0, "Undo").changed { $0.interface = "com.example.Closed" }
    tell(refused, .client, times: 40)
    try deliverAll(.client)
    for serial in serials {
      if let call = gate.outgoing[serial], call.purpose == .call {
        sayTooMuch(.answer(0, to: serial, of: ownName, from: call.destination), .bus)
      } else {
        answer(serial)
      }
    }
    try deliverAll(.bus)
    if choices.chance(80) { rig.unstall(.client) }
    try deliverAll(.bus)
  }

  // MARK: Descriptors

  /// The kernel takes no descriptors for a while: of calls, of answers, of signals.
  func refuseDescriptors(_ side: Side) throws {
    guard side == .client ? gate.clientTakesDescriptors : gate.busTakesDescriptors else { return }
    var messages = [
      Draft.call(
        0, to: side == .client ? choices.pick(["org.foo", ":1.5"]) : ownName, "Do", from: side == .client ? nil : ":1.5")
    ]
    if choices.chance(30) { messages[0] = .signal(0, to: side == .client ? nil : ownName, "Sig", from: messages[0].sender) }
    if choices.chance(50) {
      let called = tell(side == .client ? .call(0, to: ownName, "Do", from: ":1.5") : .call(0, to: ":1.5", "Do"), side.other)
      try deliverAll(side.other)
      messages.append(
        .answer(0, to: called, of: side == .client ? ":1.5" : ownName, from: side == .client ? nil : ":1.5"))
    }
    try deliverAll(side)
    if choices.chance(20) { try grantMonitor() }
    for refuses in [true, choices.chance(50), false] {
      rig.refusesDescriptors = refuses
      for message in messages {
        for _ in 0..<choices.below(3) + 1 { tell(message, side, descriptors: choices.below(3) + 1) }
      }
      try deliverAll(side)
    }
  }

  // MARK: The observer

  /// The client talks to a unique name that the gate's observer gets afterwards.
  func callObserver() throws {
    if !gate.isObserved { return }
    let name = ":1.\(observerNumber + 1)"
    let message: Draft = choices.chance(70) ? .call(0, to: name, "Do") : .signal(0, to: name, "Sig")
    for _ in 0..<2 {
      tell(message, .client, times: choices.below(5) + 2)
      try deliverAll(.client)
      if gate.observerName != name { nameObserver() }
    }
    tell(.call(0, to: ":1.5", "Do"), .client)
    try deliverAll(.client)
  }
}
