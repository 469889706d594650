// What decisions change, each by itself, and what they leave as it is: also where a table is full, and where a message does not leave after all.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("what a decision changes")
struct EffectsTests {
  private static let driver = NamedBus.driver
  private static let denied = Verdict(.deny, .noRule)

  private func open(_ configure: (inout SessionSettings) -> Void = { _ in }) throws -> Rig { try Rig.open([], configure) }

  private static func answer(_ values: Draft.Value..., to serial: UInt32 = 9) -> Draft {
    .answer(5, to: serial, of: Rig.name, from: driver).with(values)
  }

  // MARK: Calls and answers

  @Test("no effect changes nothing")
  func none() throws {
    let rig = try open()
    let before = rig.state
    #expect(try rig.apply(.none, .call(9, "Do")) == nil && rig.state == before)
  }

  @Test("an answer is expected from who was called")
  func expectReply() throws {
    let rig = try open()
    #expect(try rig.apply(.expectReply(.question, .uniqueName, detail: 7), .call(9, "Do")) == nil)
    let call = try #require(rig.awaited(9))
    #expect(call.purpose == .question && call.expectedSender == .uniqueName && call.detail == 7)
    #expect(rig.pendingReplies == 1 && rig.awaited(8) == nil)
  }

  @Test("an answer is taken, and no other")
  func takeReply() throws {
    let rig = try open()
    for serial in [9, 10] as [UInt32] { rig.expect(serial, .call) }
    let sender = ReplySender(hash: 1, isDriver: true, isError: false)
    #expect(try rig.apply(.takeReply(sender), Self.answer()) == nil)
    #expect(rig.awaited(9) == nil && rig.awaited(10) != nil)
  }

  @Test("the client is asked, and answers")
  func clientReply() throws {
    let rig = try open()
    let caller = rig.hash(":1.5")
    #expect(try rig.apply(.expectClientReply(caller: caller), .call(9, to: Rig.name, "Do", from: ":1.5")) == nil)
    #expect(rig.session.pendingReplies(.incoming) == 1)
    #expect(try rig.apply(.takeClientReply(caller: caller), .answer(3, to: 9, of: ":1.5")) == nil)
    #expect(rig.session.pendingReplies(.incoming) == 0 && rig.own(to: .bus) == 0)
  }

  @Test("an error takes the place of an answer that may not pass, and there is no other")
  func replaceReply() throws {
    let rig = try open()
    rig.expect(9, .call)
    #expect(try rig.apply(.replaceReply, Self.answer(), Self.denied) == nil)
    let said = try rig.said(to: .client)
    #expect(said.map(\.summary) == ["AccessDenied<-9"] && said[0].destination == Rig.name && said[0].sender == Self.driver)
    #expect(rig.pendingReplies == 0 && rig.own(to: .bus) == 0)
  }

  @Test("and in the place of one of the client's, for its caller")
  func replaceClientReply() throws {
    let rig = try open()
    let caller = rig.hash(":1.5")
    #expect(try rig.apply(.expectClientReply(caller: caller), .call(9, to: Rig.name, "Do", from: ":1.5")) == nil)
    #expect(try rig.apply(.replaceClientReply(caller: caller), .answer(3, to: 9, of: ":1.5"), Self.denied) == nil)
    let said = try rig.said(to: .bus)
    #expect(said.map(\.summary) == ["AccessDenied<-9"] && said[0].destination == ":1.5")
    #expect(rig.session.pendingReplies(.incoming) == 0 && rig.own(to: .client) == 0)
  }

  // MARK: A full table

  /// What a call to the driver, with the serial 9, changes if there is room.
  private static func driverCalls(_ rig: Rig) throws -> [(effect: DriverCallEffect, call: Draft)] {
    let add = Draft.driver(9, "AddMatch", .string("path='/a'")), remove = Draft.driver(9, "RemoveMatch", .string("path='/a'"))
    let request = Draft.driver(9, "RequestName", .string("org.b"), .number(0))
    let release = Draft.driver(9, "ReleaseName", .string("org.a")), question = Draft.driver(9, "GetNameOwner", .string("org.a"))
    return [
      (.addMatch(try add.matchRuleChange(2)), add), (.removeMatch(try remove.matchRuleChange(1)), remove),
      (.requestName(hash: rig.hash("org.b"), name: try request.firstArgument(), isCertain: true), request),
      (.releaseName(hash: rig.hash("org.a")), release), (.askAboutName(name: try question.firstArgument(), .hasOwner), question),
    ]
  }

  @Test("a call that cannot be remembered changes nothing, whatever it would have changed", arguments: [UInt32(9), 10])
  func full(taken: UInt32) throws {
    let rig = try open { $0.limits.pendingRepliesMax = taken == 9 ? 2 : 1 }
    let add = Draft.driver(8, "AddMatch", .string("path='/a'")).silent
    #expect(try rig.apply(.driverCall(.addMatch(add.matchRuleChange(1))), add) == nil)
    try rig.requestSilently("org.a")
    rig.expect(taken, .call)
    let before = rig.state
    let reason: Verdict.Reason = taken == 9 ? .serialInUse : .pendingReplies
    #expect(try rig.apply(.expectReply(.call, .anyone, detail: 0), .call(9, "Do")) == reason && rig.state == before)
    for (effect, call) in try Self.driverCalls(rig) {
      #expect(try rig.apply(.driverCall(effect), call) == reason, "\(call.told)")
      #expect(rig.state == before && rig.session.mediator.replies.question(9) == nil)
    }
    #expect(rig.session.mediator.matches.entries.map(\.hash) == [1])
    // The twin: without an answer there is nothing to remember, and all of it is done.
    for (effect, call) in try Self.driverCalls(rig).dropLast() {
      #expect(try rig.apply(.driverCall(effect), call.silent) == nil, "\(call.told)")
    }
    #expect(rig.session.mediator.matches.entries.map(\.hash) == [2] && rig.pendingReplies == 1)
  }

  @Test("nor does a call to the client")
  func incomingFull() throws {
    let rig = try open { $0.limits.incomingCallsMax = 1 }
    func ask(_ caller: String) throws -> Verdict.Reason? {
      try rig.apply(.expectClientReply(caller: rig.hash(caller)), .call(9, to: Rig.name, "Do", from: caller))
    }
    #expect(try ask(":1.5") == nil)
    // Asked whether it is still there, the one that called may be.
    let before = rig.state.filter { !$0.contains("calls") && !$0.hasPrefix("to the bus") }
    #expect(try ask(":1.6") == .pendingIncoming && before.allSatisfy(rig.state.contains))
    #expect(rig.session.pendingReplies(.incoming) == 1)
    #expect(rig.mayClientReply(":1.5", 9) && !rig.mayClientReply(":1.6", 9))
  }

  // MARK: Undone

  @Test(
    "a call that does not leave after all is not answered, and its serial is free; another call waits on",
    arguments: [Side.client, .bus])
  func revert(side: Side) throws {
    let rig = try open()
    let isOutgoing = side == .client
    func call(_ serial: UInt32) -> Draft { isOutgoing ? .call(serial, "Do") : .call(serial, to: Rig.name, "Do", from: ":1.5") }
    for serial in [9, 10] as [UInt32] {
      let effect: Effect = isOutgoing ? .expectReply(.call, .anyone, detail: 0) : .expectClientReply(caller: rig.hash(":1.5"))
      #expect(try rig.apply(effect, call(serial)) == nil)
    }
    // What asked for no answer took no place.
    for message in [call(9).silent, Draft.signal(9, "Sig"), .answer(9, to: 10, of: ":1.5")] {
      try message.withView { rig.session.mediator.revert($0, from: side) }
      #expect(rig.session.pendingReplies(side.direction) == 2)
    }
    for _ in 1...2 {
      try call(9).withView { rig.session.mediator.revert($0, from: side) }
      #expect(rig.session.pendingReplies(side.direction) == 1)
    }
    #expect(isOutgoing ? rig.awaited(10) != nil : rig.mayClientReply(":1.5", 10))
  }
}
