// Scenes about what the client has at the bus: names, match rules, calls under way; and about who else has which name. See World+Scenes.

import GateSession

extension World {
  // MARK: Who owns what

  /// A rule opens something to whoever has a name: one has it and speaks, loses it to another, and speaks again.
  func handNameOver() throws {
    let name = choices.pick(MessageScript.names)
    let speakers = [":1.5", choices.pick([":1.6", ":1.8"])]
    try reload { policy in
      if !temper.hasSecret && choices.chance(70) { policy.names = nil }
      policy.rules = [ReferencePolicy.Rule(methods: ["Do", "Sig"], name: name)]
      if choices.chance(20) {
        policy.rules = [
          ReferencePolicy.Rule(methods: ["Do", "Sig"]), ReferencePolicy.Rule(methods: ["Do", "Sig"], isDeny: true, name: name),
        ]
      }
    }
    try answerGateAsLongAsItAsks()
    for owner in [speakers[0], speakers[1], choices.pick(speakers)] {
      tell(MessageScript.ownerSignal(name, "", owner), .bus)
      for speaker in speakers { tell(.signal(0, "Sig", from: speaker), .bus, times: choices.below(5)) }
      // Otherwise what it says next comes with what it said.
      if choices.chance(40) { continue }
      try deliverAll(.bus)
      tell(.call(0, to: choices.pick(speakers), "Do"), .client, times: choices.below(4))
      try deliverAll(.client)
    }
  }

  /// The bus says one by one who owns the names that rules ask for, and whoever owns one speaks in between.
  func learnOwnersOneByOne() throws {
    let names = ["org.foo", "org.a", "org.b", "org.c"]
    let speaker = choices.pick([":1.5", ":1.6"])
    try reload { policy in
      policy.rules = names.map { ReferencePolicy.Rule(methods: ["Sig"], name: $0) }
      if !temper.hasSecret { policy.names = nil }
    }
    try deliverAll(.client)
    for _ in 0..<20 where !ownCalls.isEmpty && rig.close == nil {
      tell(.signal(0, "Sig", from: speaker), .bus, times: choices.below(5))
      let serial = choices.pick(ownCalls)
      if case .own(.getNameOwner) = gate.outgoing[serial]?.purpose, choices.chance(50) {
        tell(Draft.answer(0, to: serial, of: ownName, from: MessageScript.driver).with([.string(speaker)]), .bus)
      } else {
        answer(serial)
      }
      try deliverAll(.bus)
    }
    tell(.signal(0, "Sig", from: speaker), .bus)
    try deliverAll(.bus)
  }

  /// The client asks about a name that another policy shows less of by the time the bus answers.
  func askBeforeReload() throws {
    let name = choices.pick(MessageScript.names)
    try reload { $0.names = [(.own, name)] }
    try answerGateAsLongAsItAsks()
    let serials = (0..<choices.below(3) + 1).map { _ in
      tell(.driver(0, choices.pick(["NameHasOwner", "GetNameOwner", "ListQueuedOwners"]), .string(name)), .client)
    }
    try deliverAll(.client)
    try reload { policy in
      policy.names = choices.chance(50) ? [] : [(.see, name)]
      policy.rules = [ReferencePolicy.Rule(methods: ["Do"])]
    }
    if choices.chance(60) { try answerGateAsLongAsItAsks() }
    try answerAll(serials)
  }

  // MARK: Match rules

  /// Match rules come and go faster than the bus answers, those that the gate has itself among them, and the bus refuses some.
  func juggleMatches() throws {
    let rules = [ReferenceGate.ownRule + ",arg0='org.foo'", ReferenceGate.ownRule + ",arg2=''", "type='signal',member='Do'"]
    var waiting: [UInt32] = []
    if choices.chance(40) { try followFoo(choices.chance(50)) }
    for _ in 0..<choices.below(20) + 6 {
      let call = Draft.driver(0, choices.chance(60) ? "AddMatch" : "RemoveMatch", .string(choices.pick(rules)))
      waiting.append(tell(call.changed { $0.flags = choices.chance(15) ? Draft.noReply : 0 }, .client))
      try deliverAll(.client)
      if choices.chance(10) { try followFoo(choices.chance(70)) }
      while choices.chance(35) && !waiting.isEmpty {
        let serial = waiting.remove(at: choices.below(waiting.count))
        if choices.chance(40) { refuseAnswer(serial) } else { answer(serial) }
      }
      try deliverAll(.bus)
    }
    try answerAll(waiting)
    if choices.chance(50) { try followFoo(choices.chance(50)) }
  }

  /// Another policy that has a match rule of the gate's own, or none.
  private func followFoo(_ follows: Bool) throws {
    try reload { policy in
      policy.names = follows || temper.hasSecret ? [(.talk, "org.foo")] : nil
      if !follows { for i in policy.rules.indices { policy.rules[i].name = nil } }
    }
    try deliverAll(.client)
    if choices.chance(80) { try answerGateAsLongAsItAsks() }
  }

  // MARK: No room

  /// The client asks for what it might have, while no further call may be under way; later it turns out what it has.
  func askWithoutRoom() throws {
    let names = ["org.a", "org.b"]
    if choices.chance(70) {
      try reload {
        $0.rules.append(ReferencePolicy.Rule(interface: MessageScript.driver, methods: ["RequestName", "ReleaseName"]))
      }
      try answerGateAsLongAsItAsks()
    }
    if choices.chance(70) {
      let serial = tell(.driver(0, "RequestName", .string(choices.pick(names)), .number(0)), .client)
      try deliverAll(.client)
      answer(serial)
      try deliverAll(.bus)
    }
    let serials = (0..<min(gate.limits.pendingMax, gate.limits.pendingTotal, 30)).map { _ in
      tell(.call(0, to: "org.foo", "Do"), .client)
    }
    try deliverAll(.client)
    for _ in 0..<choices.below(4) + 2 {
      let draft: Draft =
        switch choices.below(6) {
        case 0, 1: .driver(0, "RequestName", .string(choices.pick(names)), .number(0))
        case 2, 3: .driver(0, "ReleaseName", .string(choices.pick(names)))
        case 4: .driver(0, choices.pick(["AddMatch", "RemoveMatch"]), .string("type='signal'"))
        default: .call(0, to: choices.pick(MessageScript.names + MessageScript.uniques), "Do")
        }
      tell(draft, .client)
    }
    try deliverAll(.client)
    try answerAll(serials.filter { _ in choices.chance(80) })
    if choices.chance(70) {
      try reload { $0.rules = [ReferencePolicy.Rule(interface: MessageScript.driver, methods: ["RequestName"], isDeny: true)] }
    }
    tell(.driver(0, "NameHasOwner", .string("org.foo")), .client)
    try deliverAll(.client)
  }

  // MARK: What is the bus's

  /// The client tries what only a rule that names it opens, while a deny rule meets it, or a rule with wildcards.
  func callPrivileged() throws {
    let driver = MessageScript.driver
    let (interface, member) = choices.pick([
      ("org.freedesktop.DBus.Monitoring", "BecomeMonitor"), (driver, "ReloadConfig"), (driver, "UpdateActivationEnvironment"),
      ("org.freedesktop.DBus.Properties", "Set"), ("org.freedesktop.DBus.Debug.Stats", "GetStats"), (driver, "Later"),
    ])
    try reload { policy in
      if choices.chance(30) { policy.rules.append(ReferencePolicy.Rule(interface: interface, methods: [member])) }
      policy.rules.append(
        ReferencePolicy.Rule(
          interface: choices.pick([interface, "org.freedesktop.*", "*"]), methods: [choices.pick([member, "*"])],
          isDeny: choices.chance(70)))
    }
    try answerGateAsLongAsItAsks()
    for interface in [interface, nil] { tell(.driver(0, interface: interface, member), .client) }
    try deliverAll(.client)
  }
}
