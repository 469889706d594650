// What changes with calls to the driver, with its answers and with what it tells: see EffectsTests.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("what changes with the driver's messages")
struct DriverEffectsTests {
  private static let driver = NamedBus.driver
  private static let denied = Verdict(.deny, .noRule)

  private func open(_ configure: (inout SessionSettings) -> Void = { _ in }) throws -> Rig { try Rig.open([], configure) }

  private static func answer(_ values: Draft.Value..., to serial: UInt32 = 9) -> Draft {
    .answer(5, to: serial, of: Rig.name, from: driver).with(values)
  }

  // MARK: What the client asks the driver

  @Test("Hello is said, and its answer looked for if there will be one", arguments: [true, false])
  func hello(wantsReply: Bool) throws {
    let rig = Rig()
    let hello = Draft.driver(1, "Hello")
    #expect(try rig.apply(.driverCall(.hello), wantsReply ? hello : hello.silent) == nil)
    #expect(rig.session.mediator.registration.phase == .asked)
    #expect(rig.awaited(1)?.purpose == (wantsReply ? .hello : nil))
  }

  @Test("the answer to Hello is repeated to who wants one", arguments: [true, false])
  func repeatHello(wantsReply: Bool) throws {
    let rig = try open()
    let hello = Draft.driver(9, "Hello")
    #expect(try rig.apply(.driverCall(.repeatHello), wantsReply ? hello : hello.silent) == nil)
    let said = try rig.said(to: .client)
    #expect(said.map(\.text) == (wantsReply ? [Rig.name] : []) && said.allSatisfy { $0.replySerial == 9 })
    #expect(rig.pendingReplies == 0)
  }

  @Test(
    "a match rule is counted as what is known of it: asked for with an answer that will be certain, or may not be, without one, or answered here",
    arguments: [(true, true, false), (true, false, false), (false, false, false), (true, true, true)])
  func addMatch(wantsReply: Bool, isCertain: Bool, isAnsweredHere: Bool) throws {
    let rig = try open()
    let add = Draft.driver(9, "AddMatch", .string("path='/a'"))
    let change = MatchRuleChange(
      hash: 77, text: try add.firstArgument(), isAnsweredHere: isAnsweredHere, mayAskForOwnerChange: false, isCertain: isCertain)
    #expect(try rig.apply(.driverCall(.addMatch(change)), wantsReply ? add : add.silent) == nil)
    let entry = try #require(rig.session.mediator.matches.entries.first)
    let isAwaited = isCertain && !isAnsweredHere
    #expect(entry.hash == 77 && rig.session.mediator.matches.count == 1 && entry.unanswered == (isAwaited ? 1 : 0))
    #expect([entry.awaited, entry.silent, entry.answered] == [isAwaited ? 1 : 0, isCertain ? 0 : 1, isAnsweredHere ? 1 : 0])
    #expect(rig.awaited(9)?.purpose == (isAnsweredHere || !wantsReply ? nil : isCertain ? .addMatch : .call))
    #expect(try rig.said(to: .client).map(\.summary) == (isAnsweredHere ? ["return<-9"] : []))
  }

  @Test("a match rule is gone once it is removed; another is not")
  func removeMatch() throws {
    let rig = try open()
    for (hash, serial) in [(1, 9), (2, 10)] as [(UInt64, UInt32)] {
      let add = Draft.driver(serial, "AddMatch", .string("path='/a'")).silent
      #expect(try rig.apply(.driverCall(.addMatch(add.matchRuleChange(hash))), add) == nil)
    }
    let remove = Draft.driver(11, "RemoveMatch", .string("path='/a'"))
    #expect(try rig.apply(.driverCall(.removeMatch(remove.matchRuleChange(1))), remove) == nil)
    #expect(rig.session.mediator.matches.entries.map(\.hash) == [2] && rig.awaited(11)?.purpose == .call)
  }

  @Test("a name is asked for, and its answer looked for as one that says something if it is certain", arguments: [true, false])
  func requestName(isCertain: Bool) throws {
    let rig = try open()
    let request = Draft.driver(9, "RequestName", .string("org.a"), .number(0))
    let effect = DriverCallEffect.requestName(hash: rig.hash("org.a"), name: try request.firstArgument(), isCertain: isCertain)
    let number = rig.session.mediator.names.number(of: rig.hash("org.a"))
    #expect(try rig.apply(.driverCall(effect), request) == nil)
    let call = try #require(rig.awaited(9))
    #expect(rig.hasRequestedNames && call.purpose == (isCertain ? .requestName : .call) && call.detail == number)
  }

  @Test("a name is given back")
  func releaseName() throws {
    let rig = try open()
    try rig.requestSilently("org.a")
    #expect(try rig.apply(.driverCall(.releaseName(hash: rig.hash("org.b"))), .driver(9, "ReleaseName", .string("org.b"))) == nil)
    #expect(rig.hasRequestedNames, "that was another")
    #expect(
      try rig.apply(.driverCall(.releaseName(hash: rig.hash("org.a"))), .driver(10, "ReleaseName", .string("org.a"))) == nil)
    #expect(!rig.hasRequestedNames && rig.awaited(10)?.purpose == .call)
  }

  @Test("what is asked about a name stays known, with the policy that let it be asked")
  func askAboutName() throws {
    let rig = try open()
    let question = Draft.driver(9, "GetNameOwner", .string("org.a"))
    #expect(try rig.apply(.driverCall(.askAboutName(name: question.firstArgument(), .aboutVisible)), question) == nil)
    let asked = rig.session.mediator.replies.question(9)
    #expect(asked.map { String(decoding: $0.name, as: UTF8.self) } == "org.a" && asked?.kind == .aboutVisible)
    #expect(rig.awaited(9)?.purpose == .question && rig.awaited(9)?.detail == rig.policy.identity)
  }

  @Test("that nobody has a name is said to who wants an answer", arguments: [true, false])
  func answerNobody(wantsReply: Bool) throws {
    let rig = try open()
    let question = Draft.driver(9, "NameHasOwner", .string("org.a"))
    #expect(try rig.apply(.driverCall(.answerNobody), wantsReply ? question : question.silent) == nil)
    let said = try rig.said(to: .client)
    #expect(said.map(\.signature) == (wantsReply ? ["b"] : []) && said.allSatisfy { $0.bytes.suffix(4) == [0, 0, 0, 0] })
    #expect(rig.pendingReplies == 0)
  }

  // MARK: What the driver answers

  @Test("Hello is answered with the client's name, or refused", arguments: [true, false], [true, false])
  func helloReply(isOwn: Bool, isRefused: Bool) throws {
    let rig = Rig()
    rig.expect(1, isOwn ? .ownHello : .hello)
    let answer = isRefused ? Draft.error(5, to: 1, of: nil, from: Self.driver) : Self.answer(.string(Rig.name), to: 1)
    let name = isRefused ? ByteRange() : try answer.firstArgument()
    var output = Output()
    #expect(try rig.apply(.driverReply(.hello(name: name, isOwn: isOwn)), answer, Self.denied, &output) == nil)
    #expect(rig.name == (isRefused ? "" : Rig.name) && rig.awaited(1) == nil)
    #expect(rig.isHelloAnswered == (isOwn || !isRefused), "the client's own may be said again")
    #expect(output.requests == (isOwn || !isRefused ? [.resumeClient, .helloDone] : []))
  }

  @Test("a match rule that the bus refused was not added", arguments: [true, false])
  func addMatchReply(succeeded: Bool) throws {
    let rig = try open()
    let add = Draft.driver(9, "AddMatch", .string("path='/a'"))
    let change = MatchRuleChange(
      hash: 77, text: try add.firstArgument(), isAnsweredHere: false, mayAskForOwnerChange: false, isCertain: true)
    #expect(try rig.apply(.driverCall(.addMatch(change)), add) == nil)
    let number = try #require(rig.awaited(9)?.detail)
    #expect(try rig.apply(.driverReply(.addMatch(number: number, succeeded: succeeded)), Self.answer()) == nil)
    #expect(rig.session.mediator.matches.count == (succeeded ? 1 : 0) && rig.awaited(9) == nil)
  }

  @Test("a name that the bus did not give is not held", arguments: [true, false])
  func requestNameReply(isHeld: Bool) throws {
    let rig = try open()
    let request = Draft.driver(9, "RequestName", .string("org.a"), .number(0))
    let effect = DriverCallEffect.requestName(hash: rig.hash("org.a"), name: try request.firstArgument(), isCertain: true)
    #expect(try rig.apply(.driverCall(effect), request) == nil)
    let number = try #require(rig.awaited(9)?.detail)
    #expect(try rig.apply(.driverReply(.requestName(number: number, isHeld: isHeld)), Self.answer()) == nil)
    #expect(rig.hasRequestedNames == isHeld && rig.awaited(9) == nil)
  }

  @Test("a monitor is one if the bus says so", arguments: [true, false])
  func becomeMonitor(succeeded: Bool) throws {
    let rig = try open()
    rig.expect(9, .becomeMonitor)
    #expect(try rig.apply(.driverReply(.becomeMonitor(succeeded: succeeded)), Self.answer()) == nil)
    #expect(rig.session.mediator.registration.isMonitor == succeeded && rig.awaited(9) == nil)
  }

  @Test(
    "a question that is answered is forgotten; where nobody is to be known of the client is told so", arguments: [true, false])
  func question(isReplaced: Bool) throws {
    let rig = try open()
    let question = Draft.driver(9, "NameHasOwner", .string("org.a"))
    #expect(try rig.apply(.driverCall(.askAboutName(name: question.firstArgument(), .hasOwner)), question) == nil)
    #expect(try rig.apply(.driverReply(isReplaced ? .replaceQuestion : .question), Self.answer(.boolean(true))) == nil)
    #expect(rig.session.mediator.replies.question(9) == nil && rig.pendingReplies == 0)
    let said = try rig.said(to: .client)
    #expect(said.map(\.replySerial) == (isReplaced ? [9] : []) && said.allSatisfy { $0.bytes.suffix(4) == [0, 0, 0, 0] })
  }

  @Test("of a list of names the client gets a copy without those that are hidden, or the list itself", arguments: [true, false])
  func lists(isFiltered: Bool) throws {
    let rig = try NamedBus([], names(see: ["org.see"])).rig
    rig.expect(9, .listNames)
    let list = Self.answer(.strings(["org.hid", "org.see", Rig.name]))
    #expect(try rig.apply(.driverReply(isFiltered ? .filterNames : .listNames), list) == nil)
    let said = try rig.said(to: .client)
    #expect(
      said.map(\.texts) == (isFiltered ? [["org.see", Rig.name]] : [])
        && said.allSatisfy { $0.replySerial == 9 && $0.serial == 5 })
    #expect(rig.pendingReplies == 0)
  }

  @Test(
    "a call about names that is refused, or answered at too great length, ends the connection", arguments: [true, false],
    [true, false])
  func ownNames(isRefused: Bool, isTooLong: Bool) throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), isAnswering: false)
    let own = try #require(try bus.rig.messages(.bus).first { $0.member == "AddMatch" })
    let answer = isRefused ? Draft.error(5, to: own.serial, of: Rig.name, from: Self.driver) : Self.answer(to: own.serial)
    var output = Output()
    let effect = DriverReplyEffect.ownNames(.ownAddMatch, detail: 0, isTooLong: isTooLong)
    #expect(try bus.rig.apply(.driverReply(effect), answer, Self.denied, &output) == nil)
    #expect(output.close == (isRefused || isTooLong ? .namesNotFollowed : nil) && output.requests == .resumeClient)
    #expect(bus.rig.awaited(own.serial) == nil)
  }

  @Test("the calls of a caller that has left are answered no more", arguments: [true, false])
  func callerReply(isGone: Bool) throws {
    let rig = try open()
    let caller = rig.hash(":1.5")
    #expect(try rig.apply(.expectClientReply(caller: caller), .call(9, to: Rig.name, "Do", from: ":1.5")) == nil)
    let own = rig.session.mediator.replies.noteOwnCall(.ownNameHasOwner, detail: caller)
    #expect(try rig.apply(.driverReply(.caller(caller: caller, isGone: isGone)), Self.answer(.boolean(!isGone), to: own)) == nil)
    #expect(rig.session.pendingReplies(.incoming) == (isGone ? 0 : 1) && rig.session.mediator.replies.ownCallCount == 0)
  }

  // MARK: What the driver tells

  private static func told(_ member: String, _ names: String...) -> Draft {
    .signal(3, interface: driver, member, path: "/org/freedesktop/DBus", from: driver).with(names.map { .string($0) })
  }

  @Test("a name is the client's from one signal to the other")
  func ownedNames() throws {
    let rig = try open()
    let (acquired, lost) = (Self.told("NameAcquired", "org.a"), Self.told("NameLost", "org.a"))
    #expect(try rig.apply(.driverSignal(.acquireName(acquired.firstArgument())), acquired) == nil)
    #expect(rig.owns("org.a") && !rig.owns("org.b"))
    #expect(try rig.apply(.driverSignal(.loseName(lost.firstArgument())), lost) == nil)
    #expect(!rig.owns("org.a"))
  }

  @Test("a unique name is the client's if it has none yet", arguments: [true, false])
  func uniqueName(isNamed: Bool) throws {
    let rig = isNamed ? try open() : Rig()
    let acquired = Self.told("NameAcquired", ":1.99")
    #expect(try rig.apply(.driverSignal(.acquireName(acquired.firstArgument())), acquired) == nil)
    #expect(rig.name == (isNamed ? Rig.name : ":1.99") && !rig.owns(":1.99"))
  }

  @Test("who leaves the bus is answered no more, wherever that is told; who loses a name is", arguments: [true, false])
  func callerLeaves(isLeaving: Bool) throws {
    for followsNames in [true, false] {
      let rig = try NamedBus([], followsNames ? names(talk: ["org.foo"]) : nil).rig
      #expect(try rig.apply(.expectClientReply(caller: rig.hash(":1.5")), .call(9, to: Rig.name, "Do", from: ":1.5")) == nil)
      let gone = isLeaving ? ":1.5" : "org.foo"
      let change = Self.told("NameOwnerChanged", gone, ":1.5", "")
      let place = try change.withView { try $0.threeStrings().0 }
      let effect = followsNames ? DriverSignalEffect.changeOwner(name: place, owner: ByteRange()) : .forgetCaller(name: place)
      #expect(try rig.apply(.driverSignal(effect), change) == nil)
      #expect(rig.session.pendingReplies(.incoming) == (isLeaving ? 0 : 1))
    }
  }

  @Test("rules know of a name's next owner")
  func ownerChange() throws {
    let rig = try NamedBus([], names(talk: ["org.foo"])).rig
    let change = Self.told("NameOwnerChanged", "org.foo", "", ":1.5")
    let (name, _, owner) = try change.withView { try $0.threeStrings() }
    #expect(try rig.apply(.driverSignal(.changeOwner(name: name, owner: owner)), change) == nil)
    let (new, other) = (
      rig.session.mediator.ownership.peer(rig.hash(":1.5")), rig.session.mediator.ownership.peer(rig.hash(":1.6"))
    )
    #expect(!new.owned.isEmpty && other.owned.isEmpty)
  }
}
