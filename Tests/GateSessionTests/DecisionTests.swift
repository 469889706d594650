// What may be remembered of a decision. Its maker says so or it is not, and these are the makers that do, and those that do not.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("what may be remembered of a decision")
struct DecisionTests {
  @Test("a decision holds for its message alone, unless its maker says otherwise")
  func byDefault() {
    let verdict = Verdict(.allow, .rule)
    let made = [
      Decision(verdict), Decision(verdict, .driverCall(.hello)), .deny(.noRule), .drop(.strayReply),
      .drop(.ownHello, .driverCall(.repeatHello)),
    ]
    #expect(made.allSatisfy { !$0.isLasting && !DecisionCache.mayStore($0) })
    for progress in [Progress.decided(verdict), .decided(verdict, .driverCall(.hello)), .deny(.noRule), .drop(.strayReply)] {
      guard case .decided(let decision) = progress else {
        Issue.record("\(progress) is no decision")
        continue
      }
      #expect(!decision.isLasting)
    }
  }

  @Test("what its maker marks may be stored, whatever it is", arguments: [Verdict.Action.allow, .audit, .deny, .drop])
  func marked(action: Verdict.Action) {
    var decision = Decision(Verdict(action, .rule))
    #expect(!DecisionCache.mayStore(decision))
    decision.validity = .whileNothingChanges
    #expect(DecisionCache.mayStore(decision))
  }

  @Test("to store what is not marked ends the process")
  func unmarked() async {
    await #expect(processExitsWith: .failure) {
      let entry = UnsafeMutablePointer<DecisionCache.Entry>.allocate(capacity: 1)
      entry.initialize(to: DecisionCache.Entry())
      DecisionCache.store(Decision(Verdict(.allow, .rule)), in: entry, descriptors: 0, epoch: 0, isLogged: false, reply: [])
    }
    await #expect(processExitsWith: .success) {
      let entry = UnsafeMutablePointer<DecisionCache.Entry>.allocate(capacity: 1)
      entry.initialize(to: DecisionCache.Entry())
      var decision = Decision(Verdict(.allow, .rule))
      decision.validity = .whileNothingChanges
      DecisionCache.store(decision, in: entry, descriptors: 0, epoch: 0, isLogged: false, reply: [])
    }
  }

  @Test(
    "what rests on the header and the policy is remembered, and decided on as before",
    arguments: Kind.lasting + Kind.lastingByName)
  func lasting(kind: Kind) throws {
    let bus = try kind.open()
    try kind.before(bus, 401)
    let first = try bus.rig.decision(on: kind.message(1), from: kind.side)
    #expect(first.isLasting)
    bus.rig.feed(kind.message(1), descriptors: kind.descriptors, from: kind.side)
    for number in 2...8 as ClosedRange<UInt32> { try kind.send(number, to: bus) }
    let stored = try #require(bus.rig.remembered(kind.message(9), from: kind.side))
    #expect(stored.isValid(in: bus.rig.epoch) && stored.verdict == first.verdict)
    #expect(stored.descriptors == kind.descriptors)
  }

  @Test(
    "what rests on anything else is not remembered, and decided on each time although the next has the same header",
    arguments: Kind.driverCalls + Kind.driverMessages + Kind.others)
  func once(kind: Kind) throws {
    let bus = try kind.open()
    let before = counted(bus, kind)
    var byMemory = 0
    bus.rig.onDealt = { side, count, wait in if side == kind.side && wait == nil { byMemory += count } }
    for number in 1...8 as ClosedRange<UInt32> { try kind.send(number, to: bus) }
    #expect(counted(bus, kind) == before + 8 && byMemory == 0 && bus.rig.close == nil)
    let stored = try #require(
      bus.rig.remembered(kind.message(9), from: kind.side), "it is the decision that is missing, not the header")
    #expect(stored.use == .none)
  }

  /// Messages of that side and type that were decided on.
  private func counted(_ bus: NamedBus, _ kind: Kind) -> UInt64 {
    let type = kind.message.type < SessionCounters.typeCount ? Int(kind.message.type) : 0
    return [Verdict.Action.allow, .audit, .deny, .drop].reduce(bus.rig.session.counters.kept(from: kind.side)) {
      $0 + bus.rig.session.counters.messages(from: kind.side, $1, type: type)
    }
  }

  @Test("before Hello is answered nothing is, since it says who the client is", arguments: Kind.lasting)
  func beforeHello(kind: Kind) throws {
    let rig = Rig(kind.rules, kind.configure)
    rig.authenticate()
    rig.feed(.driver(1, "Hello"), from: .client)
    #expect(try !rig.decision(on: kind.message(1), from: kind.side).isLasting)
  }

  @Test("while it is not known who owns what nothing is that is judged by it; afterwards it is", arguments: Kind.lastingByName)
  func beforeOwners(kind: Kind) throws {
    let bus = try NamedBus(kind.rules, kind.names, owners: kind.owners, isAnswering: false)
    #expect(try !bus.rig.decision(on: kind.message(1), from: kind.side).isLasting)
    bus.isAnswering = true
    bus.answerGate()
    #expect(try bus.rig.decision(on: kind.message(1), from: kind.side).isLasting)
  }

  @Test("no answer of the driver's is that tells the gate something", arguments: CallPurpose.allCases.filter { $0 != .call })
  func driverReplies(purpose: CallPurpose) throws {
    for names in [nil, names(talk: ["org.foo"])] {
      let becoming = rule(.outgoing, "org.freedesktop.DBus.Monitoring", ["BecomeMonitor"])
      let rig = try NamedBus([becoming], names).rig
      let refusal = rig.session.mediator.replies.expect(
        PendingCall(serial: 77, purpose: purpose, expectedSender: .driver, detail: rig.policy.identity))
      #expect(refusal == nil)
      let answer = Draft.answer(9, to: 77, of: Rig.name, from: NamedBus.driver)
      let bodies: [[Draft.Value]] = [
        [], [.string("org.foo")], [.number(1)], [.boolean(false)], [.strings(["org.a", "org.foo"])],
      ]
      for draft in bodies.map(answer.with) + [.error(9, to: 77, of: Rig.name, from: NamedBus.driver)] {
        #expect(try !rig.decision(on: draft, from: .bus).isLasting)
      }
    }
  }
}
