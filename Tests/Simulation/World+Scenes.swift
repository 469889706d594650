// What belongs together and meets by chance too seldom: each scene says a few messages, lets what was said arrive, and goes on. What comes
// of it is the naive gate's to say, as for everything else; a scene expects nothing.

import GateSession

extension World {
  func playScene() throws {
    switch choices.below(44) {
    case 0, 1: try passDescriptors(choices.chance(50) ? .client : .bus)
    case 2, 3: try loseName()
    case 4: try becomeMonitor()
    case 5, 6: try waitBehindHalf(choices.chance(50) ? .client : .bus)
    case 7, 8: try requestNames()
    case 9, 10: try leaveBus()
    case 11, 12: try stallReader()
    case 13...15: try reloadBeforeAnswers()
    case 16: try callClientOften()
    case 17: try callOften()
    case 18, 19: try learnOwnersSlowly()
    case 20: try releaseOwned()
    case 21, 22: try callUnheard()
    case 25: try refuseOften(choices.chance(50) ? .client : .bus)
    case 26: try refuseUnderOwnSerial()
    case 27: try callHidden()
    case 28: try speakWithLowerSerial()
    case 29: try answerForOthers()
    case 30: try answerTooMuch()
    case 31: try answerCallerTooMuch()
    case 32: try refuseDescriptors(choices.chance(50) ? .client : .bus)
    case 33: try callObserver()
    case 34: try handNameOver()
    case 35: try learnOwnersOneByOne()
    case 36: try juggleMatches()
    case 37: try askWithoutRoom()
    case 38: try callPrivileged()
    case 39: try juggleMatches()
    case 40: try askBeforeReload()
    case 41: try callObserver()
    case 42: try reloadWithinRun(choices.chance(50) ? .client : .bus)
    case 43: try answerWithoutRoom()
    default: try changeOwners()
    }
  }

  // MARK: Saying

  /// Says a message that is as it should be. Returns its serial, which is a new one each time.
  @discardableResult
  func tell(_ draft: Draft, _ side: Side, descriptors: Int = 0, lateBy: Int = 0) -> UInt32 {
    var message = draft
    sceneSerial += 1
    message.serial = sceneSerial
    if descriptors > 0 { message.unixFDs = UInt32(descriptors) }
    send(.init(message: message, bytes: message.bytes, descriptors: descriptors, lateBy: lateBy), side)
    return message.serial
  }

  func tell(_ draft: Draft, _ side: Side, times: Int) { for _ in 0..<times { tell(draft, side) } }

  /// What `side` has said arrives, as far as it is read now.
  func deliverAll(_ side: Side) throws {
    connect()
    for _ in 0..<200 where !wire(side).isDelivered && rig.close == nil && rig.wantsBytes(side) { deliver(side) }
    try check()
  }

  var ownName: String { gate.name.isEmpty ? Rig.name : gate.name }

  private func nameSignal(_ member: String, _ name: String) -> Draft {
    Draft.signal(
      0, to: ownName, interface: MessageScript.driver, member, path: "/org/freedesktop/DBus", from: MessageScript.driver
    )
    .with([.string(name)])
  }

  /// What the bus most likely says to a call of the client's or of the gate's, if it is under way.
  func answer(_ serial: UInt32) {
    guard let call = gate.outgoing[serial] else { return }
    sceneSerial += 1
    let answer = busScript.answer(&choices, sceneSerial, ownName, serial, call, from: call.destination)
    send(.init(message: answer, bytes: answer.bytes), .bus)
  }

  /// The bus says that it does not do what the client's call asks for, if it is under way.
  func refuseAnswer(_ serial: UInt32) {
    guard let call = gate.outgoing[serial] else { return }
    tell(.error(0, to: serial, of: ownName, from: call.destination), .bus)
  }

  /// Most buses answer Hello soon.
  func answerHello() {
    for (serial, call) in gate.outgoing.sorted(by: { $0.key < $1.key }) where call.purpose == .hello || call.purpose == .ownHello
    {
      answer(serial)
    }
  }

  func answerAll(_ serials: [UInt32]) throws {
    var waiting = serials
    while !waiting.isEmpty { answer(waiting.remove(at: choices.below(waiting.count))) }
    try deliverAll(.bus)
  }

  /// Calls of the gate's own that are under way.
  var ownCalls: [UInt32] {
    gate.outgoing.filter { if case .own = $0.value.purpose { true } else { false } }.keys.sorted()
  }

  /// Everything that the gate asks for is answered, unless something refuses.
  func answerGateAsLongAsItAsks() throws {
    for _ in 0..<20 where !ownCalls.isEmpty && rig.close == nil { try answerAll(ownCalls) }
  }

  private func pass(_ milliseconds: UInt64) throws {
    rig.advance(milliseconds)
    try check()
  }

  // MARK: Runs

  /// The same message with descriptors again and again.
  private func passDescriptors(_ side: Side) throws {
    guard side == .client ? gate.clientTakesDescriptors : gate.busTakesDescriptors else { return }
    var message = Draft.signal(0, to: side == .client ? nil : ownName, "Sig", from: side == .client ? nil : ":1.5")
    if choices.chance(50) { message.type = 1 }
    if message.type == 1 {
      message.member = "Do"
      message.destination = side == .client ? "org.foo" : ownName
      if choices.chance(50) { message.flags = Draft.noReply }
    }
    // Late: a header is there before its descriptors.
    let isLate = choices.chance(50)
    if isLate || choices.chance(30) { message = message.padded(to: message.bytes.count + 16 + choices.below(300)) }
    let count = choices.below(3) + 1
    for _ in 0...choices.below(8) {
      let lateBy = choices.chance(isLate ? 40 : 80) ? 0 : isLate ? message.bytes.count : choices.below(60)
      tell(message, side, descriptors: count, lateBy: lateBy)
    }
    try deliverAll(side)
  }

  /// A peer speaks to a name that the client has, and goes on when it has lost it.
  private func loseName() throws {
    let name = choices.pick(["org.a", "org.b"])
    var message = Draft.call(0, to: name, "Do", from: ":1.5")
    if choices.chance(50) { message.flags = Draft.noReply }
    if choices.chance(30) { message = .signal(0, to: name, "Sig", from: ":1.5") }
    tell(nameSignal("NameAcquired", name), .bus)
    tell(message, .bus, times: 2 + choices.below(4))
    if choices.chance(30) { try deliverAll(.bus) }
    tell(nameSignal("NameLost", name), .bus)
    tell(message, .bus, times: 1 + choices.below(3))
    try deliverAll(.bus)
  }

  /// What went by before the client became a monitor goes by afterwards. Sometimes the policy changes before that is granted.
  private func becomeMonitor() throws {
    var message = Draft.signal(0, "Sig", from: ":1.5")
    message.interface = choices.pick(["org.foo.Bar", "org.foo.Baz"])
    message.path = choices.pick(["/foo", "/", "/other"])
    if choices.chance(40) { message = .call(0, to: ownName, "Do", from: ":1.6") }
    tell(message, .bus, times: 3)
    try deliverAll(.bus)
    if choices.chance(70) {
      try reload { policy in
        policy.rules.append(
          ReferencePolicy.Rule(interface: "org.freedesktop.DBus.Monitoring", methods: ["BecomeMonitor"]))
      }
    }
    tell(message, .bus, times: 3)
    try deliverAll(.bus)
    try answerGateAsLongAsItAsks()
    let serial = tell(.driver(0, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor"), .client)
    try deliverAll(.client)
    if choices.chance(30) { try reload() }
    if choices.chance(30) { tell(message, .bus, times: 2) }
    answer(serial)
    tell(message, .bus, times: 3)
    try deliverAll(.bus)
  }

  /// The client becomes a monitor.
  func grantMonitor() throws {
    let interface = "org.freedesktop.DBus.Monitoring"
    try reload {
      $0.rules = [ReferencePolicy.Rule(methods: ["Do"]), ReferencePolicy.Rule(interface: interface, methods: ["BecomeMonitor"])]
    }
    try answerGateAsLongAsItAsks()
    let serial = tell(.driver(0, interface: interface, "BecomeMonitor"), .client)
    try deliverAll(.client)
    if let call = gate.outgoing[serial] { tell(.answer(0, to: serial, of: ownName, from: call.destination), .bus) }
    try deliverAll(.bus)
  }

  // MARK: Waiting

  /// A sender stops within a message while something of the gate's own waits for the same receiver.
  private func waitBehindHalf(_ side: Side) throws {
    if gate.hello != .answered { return }
    let text: Draft =
      side == .bus ? .signal(0, "Sig", from: ":1.5") : .call(0, "Do").changed { $0.flags = Draft.noReply }
    try deliverAll(side)
    if !wire(side).isDelivered { return }
    tell(text.padded(to: text.bytes.count + 600), side)
    let half = wire(side).stream.count - 1 - choices.below(590)
    for _ in 0..<40 where wire(side).delivered < half && rig.wantsBytes(side) { deliver(side, upTo: half) }
    let refused: Draft = side == .bus ? .call(0, to: "org.secret", "Undo") : .call(0, to: ownName, "Undo", from: ":1.6")
    tell(refused.changed { $0.interface = "com.example.Closed" }, side.other, times: choices.below(3) + 1)
    try deliverAll(side.other)
    for _ in 0..<4 where rig.close == nil { try pass(timeouts.partial * UInt64(choices.below(3)) / 4 + 1) }
  }

  /// A client that reads nothing for long, while owners change and it asks for them; sometimes under another policy afterwards.
  private func stallReader() throws {
    give(.client, room: choices.pick([0, 0, 10, 700]))
    for _ in 0..<choices.below(4) + 1 {
      for _ in 0..<choices.below(15) { tell(busScript.ownerSignal(&choices), .bus) }
      for _ in 0..<choices.below(10) { say(.client) }
      for _ in 0..<choices.below(6) { say(.bus) }
      if choices.chance(50) { try deliverAll(.client) }
      try deliverAll(.bus)
      if choices.chance(20) { try reload() }
      if choices.chance(20) { try pass(UInt64(choices.below(400))) }
    }
    if choices.chance(60) { rig.unstall(.client) }
    try check()
  }

  // MARK: Names

  /// Names are asked for until there are too many, and some are refused.
  private func requestNames() throws {
    for _ in 0..<choices.below(6) + 1 {
      let name = choices.pick(["org.a", "org.b", "org.c"])
      let serial =
        choices.chance(85)
        ? tell(.driver(0, "RequestName", .string(name), .number(0)), .client)
        : tell(.driver(0, "ReleaseName", .string(name)), .client)
      try deliverAll(.client)
      if choices.chance(10) { try reload() }
      if choices.chance(85) { answer(serial) }
      try deliverAll(.bus)
    }
  }

  /// A unique name has a name, leaves the bus, and what it had opens nothing any more.
  private func leaveBus() throws {
    try answerGateAsLongAsItAsks()
    let (unique, name) = (choices.pick(MessageScript.uniques.dropLast()), choices.pick(MessageScript.names))
    if choices.chance(80) { tell(MessageScript.ownerSignal(name, "", unique), .bus) }
    for isGone in [false, true] {
      let times = choices.pick([1, 1, 4])
      let message: Draft = choices.chance(50) ? .signal(0, "Sig", from: unique) : .call(0, to: ownName, "Do", from: unique)
      if isGone {
        if times > 1 { tell(message, .bus, times: 3) }
        tell(MessageScript.ownerSignal(unique, unique, ""), .bus)
      }
      tell(message, .bus, times: times)
      try deliverAll(.bus)
      tell(.call(0, to: unique, "Do"), .client, times: times)
      if choices.chance(50) { tell(.driver(0, "GetConnectionUnixUser", .string(unique)), .client) }
      try deliverAll(.client)
    }
  }

  /// Owners come and go, and whoever has had a name speaks and is spoken to.
  private func changeOwners() throws {
    try answerGateAsLongAsItAsks()
    let (unique, name) = (choices.pick(MessageScript.uniques), choices.pick(MessageScript.names))
    for _ in 0..<choices.below(8) + 2 {
      let owner = choices.pick([unique, unique, "", choices.pick(MessageScript.uniques)])
      tell(choices.chance(50) ? busScript.ownerSignal(&choices) : MessageScript.ownerSignal(name, "", owner), .bus)
      if choices.chance(50) { tell(.signal(0, "Sig", from: unique), .bus, times: choices.below(4)) }
      // Otherwise only the gate's observer has been told.
      if choices.chance(60) { try deliverAll(.bus) }
      if choices.chance(10) { observe() }
      if choices.chance(50) {
        tell(.call(0, to: choices.chance(70) ? unique : name, "Do"), .client, times: choices.below(4))
        try deliverAll(.client)
      }
    }
  }

  /// The bus takes its time to say who owns what, and a peer speaks in between.
  private func learnOwnersSlowly() throws {
    try reload()
    let message = Draft.signal(0, to: choices.pick([nil, ownName]), "Sig", from: choices.pick(MessageScript.uniques))
    for _ in 0..<12 where rig.close == nil {
      tell(message, .bus, times: choices.below(4))
      if choices.chance(20) { tell(busScript.ownerSignal(&choices), .bus) }
      if choices.chance(20) { say(.client) }
      let asked = ownCalls
      if !asked.isEmpty { answer(choices.pick(asked)) }
      try deliverAll(.bus)
      try deliverAll(.client)
    }
  }

  /// A name that the client has is taken from it, and the bus does not always do that.
  private func releaseOwned() throws {
    let name = choices.pick(["org.a", "org.b"])
    if !gate.opensNames {
      try reload { $0.rules.append(ReferencePolicy.Rule(interface: MessageScript.driver, methods: ["RequestName"])) }
      try answerGateAsLongAsItAsks()
    }
    tell(.driver(0, "RequestName", .string(name), .number(0)), .client)
    try deliverAll(.client)
    for (serial, call) in gate.outgoing.sorted(by: { $0.key < $1.key }) {
      if case .requestName = call.purpose { answer(serial) }
    }
    tell(nameSignal("NameAcquired", name), .bus)
    try deliverAll(.bus)
    try reload { $0.rules = [ReferencePolicy.Rule(interface: MessageScript.driver, methods: ["RequestName"], isDeny: true)] }
    // A bus says so before it answers; a client that was only waiting for the name is told nothing.
    if choices.chance(40) { tell(nameSignal("NameLost", name), .bus) }
    for serial in ownCalls {
      if choices.chance(70) { answer(serial) } else { tell(.error(0, to: serial, of: ownName, from: MessageScript.driver), .bus) }
    }
    try deliverAll(.bus)
  }

  /// The client calls a unique name again and again while only the gate's observer is told who has which name.
  private func callUnheard() throws {
    let (unique, name) = (choices.pick(MessageScript.uniques), choices.pick(MessageScript.names))
    try reload { policy in
      policy.rules = [ReferencePolicy.Rule(methods: ["Do"]), ReferencePolicy.Rule(isDeny: true, name: name)]
      if !temper.hasSecret && choices.chance(70) { policy.names = nil }
    }
    try answerGateAsLongAsItAsks()
    for _ in 0..<3 {
      tell(.call(0, to: unique, "Do").changed { $0.flags = Draft.noReply }, .client, times: 4)
      try deliverAll(.client)
      tell(MessageScript.ownerSignal(name, "", choices.pick([unique, unique, ":1.5"])), .bus)
      if choices.chance(20) { observe() }
    }
    try deliverAll(.bus)
  }

  // MARK: Many calls

  /// Calls are under way when the policy changes, and are answered afterwards.
  private func reloadBeforeAnswers() throws {
    var serials: [UInt32] = []
    for _ in 0..<choices.below(4) + 1 {
      let (name, unique) = (choices.pick(MessageScript.names), choices.pick(MessageScript.uniques))
      let draft: Draft =
        switch choices.below(9) {
        case 0: .driver(0, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor")
        case 1, 2: .driver(0, choices.pick(["ListNames", "ListActivatableNames"]))
        case 3: .driver(0, "RequestName", .string(name), .number(0))
        case 4: .driver(0, "StartServiceByName", .string(name), .number(0))
        case 5: .driver(0, choices.pick(["GetNameOwner", "NameHasOwner", "ListQueuedOwners"]), .string(name))
        case 6: .driver(0, "AddMatch", .string("type='signal'"))
        case 7: .call(0, to: unique, "Do")
        default: .call(0, to: name, "Do")
        }
      serials.append(tell(draft, .client))
    }
    try deliverAll(.client)
    for _ in 0..<choices.below(2) + 1 { try reload() }
    if choices.chance(40) { try answerGateAsLongAsItAsks() }
    if choices.chance(30) { tell(busScript.ownerSignal(&choices), .bus) }
    try answerAll(serials)
  }

  /// Peers call the client faster than it answers.
  private func callClientOften() throws {
    let callers = choices.pick([[":1.5"], [":1.5", ":1.6"], (20..<40).map { ":1.\($0)" }])
    var calls: [(caller: String, serial: UInt32)] = []
    for _ in 0..<choices.below(40) + 4 {
      let caller = choices.pick(callers)
      calls.append((caller, tell(.call(0, to: ownName, "Do", from: caller), .bus)))
      if choices.chance(10) {
        // A bus that has given up waiting lets a caller use a serial again.
        let again = Draft.call(sceneSerial, to: ownName, "Do", from: caller)
        send(.init(message: again, bytes: again.bytes), .bus)
        calls.append((caller, sceneSerial))
      }
    }
    if choices.chance(40) { tell(MessageScript.ownerSignal(callers[0], "", callers[0]), .bus) }
    try deliverAll(.bus)
    for (caller, serial) in calls where choices.chance(60) { tell(.answer(0, to: serial, of: caller), .client) }
    try deliverAll(.client)
  }

  /// The client calls faster than it is answered, and answers come in any order.
  private func callOften() throws {
    let to = choices.pick(["org.foo", ":1.5"])
    let serials = (0..<choices.below(40) + 4).map { _ in tell(.call(0, to: to, "Do"), .client) }
    try deliverAll(.client)
    try answerAll(serials.filter { _ in choices.chance(80) })
  }
}
