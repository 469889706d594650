// The same life for two sessions, one of which remembers nothing of the last messages. What happens comes from a seed; nothing is expected
// but that both do the same.
//
// Here are the things that the simulated worlds never do: a gate that filters nothing or logs for a dry run, serials of both of the gate's
// blocks, a bus that is sick, an observer with a name, and two kinds of message again and again while other things change.

import DBusWire
import GatePolicy
import GateSimulation

@testable import GateSession

private let driver = "org.freedesktop.DBus"

/// Two rigs, and what is said to both.
struct Twins {
  var choices: Choices
  let twins: [Rig]
  var policies: [Policy] = []
  var clientSerial: UInt32 = 1, busSerial: UInt32 = 1
  var sent: [(Draft, Side)] = []
  var recentCalls: [UInt32] = [1], recentIncoming: [(String, UInt32)] = [(":1.5", 1)]
  var own: [Arrived] = []
  /// What happened, for whoever has to look for a fault.
  private(set) var log: [String] = []
  var fewNames: [String] = []
  var kinds: [Side: [Draft]] = [:]

  /// What the gate asks the bus for itself.
  private static let ownerChanges = """
    type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',\
    member='NameOwnerChanged'
    """

  init(seed: UInt64) {
    choices = Choices(seed: seed)
    var choices = choices
    let (mode, logging) = (
      choices.pick([SessionSettings.Mode.enforce, .enforce, .audit]),
      choices.pick([SessionSettings.Logging.nothing, .denied, .everything, .dryRun])
    )
    let isUnfiltered = choices.chance(20), opens = choices.chance(50), tells = choices.chance(30), says = choices.chance(20)
    let pending = choices.pick([1000, 6]), incoming = choices.pick([1000, 16]), matches = choices.pick([100, 2]),
      namesMax = choices.pick([2, 20])
    let owners = choices.pick([3, 100]), message = choices.pick([100_000, 700])
    let policies = (0..<4).map { _ in Self.policy(&choices) }
    twins = [true, false].map { remembers in
      let rig = Rig(policy: policies[0]) {
        $0.mode = mode
        $0.logging = logging
        $0.isUnfiltered = isUnfiltered
        $0.opensNames = opens
        $0.tellsOwners = tells && mode == .audit
        $0.saysHello = says
        $0.limits.pendingRepliesMax = pending
        $0.limits.incomingCallsMax = incoming
        $0.limits.matchesMax = matches
        $0.limits.namesMax = namesMax
        $0.limits.ownersMax = owners
        $0.limits.messageBytesMax = message
      }
      if !remembers { rig.session.rememberNothing() }
      rig.authenticate()
      return rig
    }
    self.policies = policies
    fewNames = [choices.pick(["org.foo", "org.a", "org.a.x"]), choices.pick(["org.foo", "org.a", "org.b"])]
    self.choices = choices
    log.append("\(mode) \(logging) unfiltered \(isUnfiltered) opens \(opens) tells \(tells) says \(says)")
    log.append("pending \(pending) incoming \(incoming) owners \(owners)")
  }

  static func policy(_ choices: inout Choices) -> Policy {
    var rules: [GatewayRule] = []
    let isByName = choices.chance(60)
    for _ in 0..<choices.below(4) + 1 {
      rules.append(
        rule(
          choices.pick([.outgoing, .incoming]), choices.pick(["*", "org.foo.Bar", "org.foo.*"]),
          [choices.pick(["*", "Do", "Sig"])],
          path: choices.pick(["*", "/foo"]), signals: choices.chance(80), maxFDs: choices.pick([nil, nil, 0, 1]),
          deny: choices.chance(25), log: choices.pick([nil, nil, nil, true, false]),
          name: choices.pick([nil, nil, isByName ? "org.foo" : nil, isByName ? "org.a" : nil, isByName ? "org.a.*" : nil])))
    }
    if choices.chance(70) { rules += [rule(.outgoing), rule(.incoming)] }
    if choices.chance(40) { rules.append(rule(.outgoing, "org.freedesktop.DBus.Monitoring", ["BecomeMonitor"])) }
    let names: NameRules? =
      choices.chance(40)
      ? GateSessionTests.names(
        own: choices.pick([[], ["org.b"]]), talk: choices.pick([[], ["org.foo"]]), see: choices.pick([[], ["org.a.*"]]),
        sloppy: choices.chance(30), trusting: choices.chance(30)) : nil
    return Policy(rules: rules, names: names, busName: "SESSION")
  }

  mutating func serial(_ side: Side) -> UInt32 {
    if choices.chance(8) {
      return choices.pick([0xFF00_0000, 0xFE00_0000, .max, .max - 1, .max - 2, 0xFEFF_FFFF, 0xFFFF_FFF0] as [UInt32])
    }
    if side == .client { clientSerial += 1 } else { busSerial += 1 }
    return side == .client ? clientSerial : busSerial
  }

  mutating func unique() -> String { choices.pick(choices.chance(90) ? [":1.5", ":1.6"] : [":1.8", ":1.9"]) }
  mutating func wellKnown() -> String { choices.pick(choices.chance(85) ? fewNames : ["org.foo", "org.a", "org.a.x", "org.b"]) }

  mutating func outgoing() -> Draft {
    var d: Draft
    switch choices.below(16) {
    case 0...4: d = .call(0, to: choices.chance(50) ? unique() : wellKnown(), choices.pick(["Do", "Undo"]))
    case 5, 6: d = .signal(0, to: choices.pick([nil, nil, unique(), wellKnown()]), choices.pick(["Sig", "Do"]))
    case 7, 8:
      let (caller, serial) = choices.pick(recentIncoming)
      d = choices.chance(70) ? .answer(0, to: serial, of: caller) : .error(0, to: serial, of: caller)
    case 9: d = .driver(0, choices.pick(["RequestName"]), .string(wellKnown()), .number(0))
    case 10:
      d = .driver(
        0, choices.pick(["ReleaseName", "GetNameOwner", "NameHasOwner", "ListQueuedOwners"]),
        .string(choices.chance(70) ? wellKnown() : unique()))
    case 11:
      d = .driver(
        0, choices.pick(["AddMatch", "RemoveMatch"]),
        .string(
          choices.pick([
            "type='signal'", Self.ownerChanges, Self.ownerChanges + ",arg2=''",
          ])))
    case 12: d = .driver(0, choices.pick(["ListNames", "Hello", "GetId"]))
    case 13:
      d =
        choices.chance(20)
        ? .driver(0, interface: "org.freedesktop.DBus.Monitoring", "BecomeMonitor") : .call(0, to: nil, interface: nil, "Do")
    case 14: d = .call(0, to: ":1.99", "Do")
    default: d = .call(0, to: Rig.name, "Do")
    }
    d.serial = serial(.client)
    if choices.chance(25) { d.flags = Draft.noReply }
    if choices.chance(5) { d.containerInstance = "/c" }
    if d.body.isEmpty && choices.chance(10) { d = d.padded(to: d.bytes.count + 20 + choices.below(900)) }
    return d
  }

  mutating func incoming() -> Draft {
    var d: Draft
    let to = choices.pick([Rig.name, Rig.name, Rig.name, wellKnown(), ":1.77"])
    switch choices.below(14) {
    case 0...3:
      d = .call(0, to: to, choices.pick(["Do", "Undo"]), from: unique())
      if choices.chance(30) { d.flags = Draft.noReply }
    case 4, 5: d = .signal(0, to: choices.pick([nil, nil, to]), choices.pick(["Sig", "Do"]), from: unique())
    case 6, 7, 8:
      let to = choices.pick(recentCalls)
      let from = choices.pick([driver, unique(), unique(), nil])
      d =
        choices.chance(70)
        ? .answer(0, to: to, of: Rig.name, from: from) : .error(0, to: to, of: choices.pick([Rig.name, nil]), from: from)
      if from == driver && choices.chance(50) {
        d = d.with([choices.pick([.number(1), .number(3), .boolean(false), .string(":1.6"), .strings(["org.foo", "org.a"])])])
      }
    case 9...11: d = driverSignal()
    case 12:
      d = Draft.call(0, to: to, "Do", from: driver)
    default:
      d = Draft(type: choices.pick([4, 1, 77]), serial: 0)
      (d.path, d.interface, d.member) = ("/foo", "org.foo.Bar", "Sig")
    }
    d.serial = serial(.bus)
    if d.body.isEmpty && choices.chance(10) { d = d.padded(to: d.bytes.count + 20 + choices.below(900)) }
    return d
  }

  /// Mostly one of two kinds, so that what is remembered of them meets what changes.
  mutating func said(by side: Side) -> Draft {
    if choices.chance(8) { kinds[side] = nil }
    var two = kinds[side] ?? []
    if choices.chance(30) || two.count < 2 {
      let draft = side == .client ? outgoing() : incoming()
      let isKind = side == .client || draft.sender != driver || draft.type != 4
      if two.count < 2 && isKind { two.append(draft) }
      kinds[side] = two
      return draft
    }
    var draft = choices.pick(two)
    draft.serial = serial(side)
    if draft.isAnswer { draft.replySerial = side == .client ? choices.pick(recentIncoming).1 : choices.pick(recentCalls) }
    return draft
  }

  mutating func say(_ draft: Draft, _ side: Side) {
    var bytes = draft.bytes
    var more: [Draft] = []
    for _ in 0..<choices.pick([0, 0, 1, 3]) {
      var next = choices.chance(80) || sent.isEmpty ? draft : sent[sent.count - 1 - choices.below(min(sent.count, 4))].0
      if sent.last?.1 != side && next.serial != draft.serial { next = draft }
      if side == .client {
        next.serial = serial(.client)
        if next.isAnswer { next.replySerial = choices.pick(recentIncoming).1 }
      } else {
        next.serial = serial(.bus)
        if next.isAnswer { next.replySerial = choices.pick(recentCalls) }
      }
      more.append(next)
      bytes += next.bytes
    }
    for message in [draft] + more { note(message, side) }
    feed(bytes, 0, side)
  }

  mutating func tell(_ text: String) { log.append(text) }

  mutating func note(_ draft: Draft, _ side: Side) {
    var kept = draft
    kept.unixFDs = nil
    sent.append((kept, side))
    log.append("\(side): \(draft.told)")
    if draft.type == 1 {
      if side == .client {
        recentCalls.append(draft.serial)
      } else {
        recentIncoming.append((draft.sender ?? ":1.5", draft.serial))
      }
    }
    if recentCalls.count > 12 { recentCalls.removeFirst() }
    if recentIncoming.count > 12 { recentIncoming.removeFirst() }
    if sent.count > 20 { sent.removeFirst() }
  }

  mutating func feed(_ bytes: [UInt8], _ descriptors: Int, _ side: Side) {
    let cut = choices.chance(70) || descriptors > 0 ? bytes.count : choices.below(bytes.count) + 1
    for rig in twins where rig.close == nil && (side == .client || rig.isOpen) {
      rig.feed(Array(bytes[..<cut]), descriptors: descriptors, from: side)
      if cut < bytes.count { rig.feed(Array(bytes[cut...]), from: side) }
    }
  }

  mutating func answerOwn(_ message: Arrived) {
    let answer = Draft.answer(0, to: message.serial, of: Rig.name, from: driver)
    var said: Draft
    switch message.member {
    case "ListNames": said = answer.with([.strings(["org.foo", "org.a", ":1.5"])])
    case "GetNameOwner":
      said =
        choices.chance(70) ? answer.with([.string(unique())]) : Draft.error(0, to: message.serial, of: Rig.name, from: driver)
    case "NameHasOwner": said = answer.with([.boolean(choices.chance(70))])
    case "ReleaseName": said = answer.with([.number(choices.pick([1, 2, 3]))])
    case "Hello": said = Draft.answer(0, to: message.serial, of: Rig.name, from: driver).with([.string(Rig.name)])
    default: said = choices.chance(98) ? answer : Draft.error(0, to: message.serial, of: Rig.name, from: driver)
    }
    busSerial += 1
    said.serial = busSerial
    log.append("bus answers \(message.member) \(message.serial)")
    feed(said.bytes, 0, .bus)
  }

  mutating func driverSignal() -> Draft {
    var d: Draft
    if choices.chance(50) {
      d = Draft.signal(
        0, to: Rig.name, interface: driver, choices.pick(["NameAcquired", "NameLost"]), path: "/org/freedesktop/DBus",
        from: driver
      ).with([.string(choices.chance(90) ? wellKnown() : choices.pick([Rig.name, ":1.50"]))])
    } else {
      let name = choices.chance(70) ? wellKnown() : unique()
      let owner = name.hasPrefix(":") ? "" : choices.pick(["", unique()])
      for rig in twins { rig.changeOwner(name, to: owner) }
      d = Draft.signal(0, interface: driver, "NameOwnerChanged", path: "/org/freedesktop/DBus", from: driver).with([
        .string(name), .string(""), .string(owner),
      ])
    }
    d.serial = serial(.bus)
    return d
  }
}

extension Draft { var isAnswer: Bool { type == 2 || type == 3 } }
