// Calls that wait for their answers, by themselves: whose answer is taken, how often, and what the serials of the gate's own calls are.

import DBusWire
import Testing

@testable import GateSession

/// The part, held where #expect does not copy it.
private final class Account {
  private var replies: Replies

  init(budgets: CallBudgets? = nil, _ configure: (inout Limits) -> Void = { _ in }) {
    var settings = SessionSettings()
    configure(&settings.limits)
    replies = Replies(settings, budgets: budgets)
  }

  var outgoingCount: Int { replies.outgoingCount }
  var incomingCount: Int { replies.incomingCount }
  var ownCallCount: Int { replies.ownCallCount }
  var callersAsked: Int { replies.callersAsked }

  func expect(
    _ serial: UInt32, _ sender: ExpectedSender = .anyone, detail: UInt64 = 0, for purpose: CallPurpose = .call
  ) -> Verdict.Reason? {
    replies.expect(PendingCall(serial: serial, purpose: purpose, expectedSender: sender, detail: detail))
  }

  func awaits(_ serial: UInt32) -> Bool { replies.awaited(serial) != nil }
  func purpose(of serial: UInt32) -> CallPurpose? { replies.awaited(serial)?.purpose }

  func take(_ serial: UInt32, from hash: UInt64 = 1, isDriver: Bool = false, isError: Bool = false) -> Bool {
    replies.take(serial, from: ReplySender(hash: hash, isDriver: isDriver, isError: isError))
  }

  func remove(_ serial: UInt32) { replies.remove(serial) }

  func note(_ serial: UInt32, _ name: String) {
    replies.note(NameQuestion(serial: serial, name: Array(name.utf8), kind: .hasOwner))
  }

  func question(_ serial: UInt32) -> String? { replies.question(serial).map { String(decoding: $0.name, as: UTF8.self) } }

  func expectClientReply(_ caller: UInt64, _ serial: UInt32) -> Verdict.Reason? {
    let name = Array(":1.\(caller)".utf8)
    return replies.expectClientReply(caller: caller, name.span.bytes, serial)
  }

  func expectClientReplyAtOnce(_ caller: UInt64, _ serial: UInt32) -> Bool {
    let name = Array(":1.\(caller)".utf8)
    return replies.expectClientReplyAtOnce(caller: caller, name.span.bytes, serial)
  }

  func mayClientReply(_ caller: UInt64, _ serial: UInt32) -> Bool { replies.mayClientReply(to: caller, serial) }
  func takeClientReply(_ caller: UInt64, _ serial: UInt32) -> Bool { replies.takeClientReply(to: caller, serial) }
  func forget(_ caller: UInt64) { replies.forget(caller: caller) }
  func takeCallersToAsk() -> [UInt64] { replies.takeCallersToAsk().map(\.name) }

  func noteOwnCall(_ purpose: CallPurpose) -> UInt32 { replies.noteOwnCall(purpose, detail: 0) }
  func noteOwnHello(_ serial: UInt32) { replies.noteOwnHello(serial) }
  func takeOwnReply(_ serial: UInt32) { replies.takeOwnReply(serial) }
  func isTakenByOwnCall(_ serial: UInt32) -> Bool { replies.isTakenByOwnCall(serial) }

  func noteUnanswered(_ serial: UInt32) { replies.noteUnanswered(serial) }
  func noteUnansweredAtOnce(_ serial: UInt32) -> Bool { replies.noteUnansweredAtOnce(serial) }
  func hasCertainReply(_ draft: Draft) throws -> Bool { try draft.withView { replies.hasCertainReply($0) } }
}

@Suite("calls that wait for their answers")
struct RepliesTests {
  // MARK: The client's calls

  @Test("an answer is taken once, and only to a call that waits for one")
  func once() {
    let account = Account()
    #expect(account.expect(5) == nil && account.awaits(5) && !account.awaits(6))
    #expect(!account.take(6) && !account.take(4))
    #expect(account.take(5) && account.outgoingCount == 0)
    #expect(!account.take(5))
  }

  @Test(
    "it is taken from who was called, and the call waits on for another's",
    arguments: [
      (.anyone, 8, false, false, true), (.anyone, 8, true, true, true), (.driver, 7, false, false, false),
      (.driver, 8, true, false, true), (.driver, 7, false, true, false), (.uniqueName, 7, false, false, true),
      (.uniqueName, 7, false, true, true), (.uniqueName, 8, false, false, false), (.uniqueName, 8, false, true, false),
      (.uniqueName, 8, true, false, false), (.uniqueName, 8, true, true, true),
    ] as [(ExpectedSender, UInt64, Bool, Bool, Bool)])
  func sender(expected: ExpectedSender, hash: UInt64, isDriver: Bool, isError: Bool, isTaken: Bool) {
    let account = Account()
    #expect(account.expect(5, expected, detail: 7) == nil)
    #expect(account.take(5, from: hash, isDriver: isDriver, isError: isError) == isTaken)
    #expect(account.awaits(5) != isTaken)
  }

  @Test("an answer that the gate has to look into is not taken as a peer's", arguments: CallPurpose.allCases)
  func purpose(purpose: CallPurpose) {
    let account = Account()
    #expect(account.expect(5, for: purpose) == nil)
    #expect(account.take(5, isDriver: true) == (purpose == .call))
  }

  @Test("a call that cannot be remembered leaves the others as they are")
  func full() {
    let account = Account { $0.pendingRepliesMax = 2 }
    #expect(account.expect(5) == nil)
    #expect(account.expect(5) == .serialInUse && account.outgoingCount == 1)
    #expect(account.expect(6) == nil)
    #expect(account.expect(7) == .pendingReplies && account.outgoingCount == 2 && !account.awaits(7))
    #expect(account.take(5))
    #expect(account.expect(7) == nil)
  }

  @Test("the calls of a gate's connections share their places, those of the clients and those to the clients apart")
  func budgets() {
    let budgets = CallBudgets(total: 2, connectionsMax: 1)
    let account = Account(budgets: budgets)
    for serial in [5, 6] as [UInt32] { #expect(account.expect(serial) == nil) }
    #expect(account.expect(7) == .pendingRepliesTotal)
    for serial in [5, 6] as [UInt32] { #expect(account.expectClientReply(1, serial) == nil) }
    #expect(account.expectClientReply(1, 7) == .pendingRepliesTotal && account.incomingCount == 2)
  }

  // MARK: Questions about names

  @Test("what was asked about a name is known until the call is answered, and of no other call")
  func questions() {
    let account = Account()
    for serial in [5, 6] as [UInt32] {
      #expect(account.expect(serial, .driver, for: .question) == nil)
      account.note(serial, "org.n\(serial)")
    }
    #expect(account.question(5) == "org.n5" && account.question(6) == "org.n6" && account.question(7) == nil)
    account.remove(5)
    #expect(account.question(5) == nil && account.question(6) == "org.n6")
  }

  @Test("questions are bounded, and one that is answered makes room")
  func manyQuestions() {
    let account = Account()
    let most = UInt32(NameQuestion.questionsMax)
    for serial in 1...most + 1 {
      #expect(account.expect(serial, .driver, for: .question) == nil)
      account.note(serial, "org.n\(serial)")
    }
    #expect(account.question(most) != nil && account.question(most + 1) == nil)
    account.remove(1)
    account.note(most + 1, "org.late")
    #expect(account.question(most + 1) == "org.late")
  }

  // MARK: What no answer is looked for to

  @Test("an answer is certain if nothing with its serial, or a higher one, asked for none")
  func certainty() throws {
    let account = Account()
    #expect(try account.hasCertainReply(.call(1, "Do")))
    for serial in [10, 8] as [UInt32] { account.noteUnanswered(serial) }
    #expect(account.noteUnansweredAtOnce(9))
    for (serial, isCertain) in [(9, false), (10, false), (11, true)] as [(UInt32, Bool)] {
      #expect(try account.hasCertainReply(.call(serial, "Do")) == isCertain)
    }
    #expect(try !account.hasCertainReply(.call(11, "Do").changed { $0.flags = Draft.noReply }), "there is none")
    #expect(account.noteUnansweredAtOnce(11))
    #expect(try !account.hasCertainReply(.call(11, "Do")))
  }

  @Test("a serial among those of the gate's own is not noted at once")
  func notAtOnce() throws {
    let account = Account()
    #expect(!account.noteUnansweredAtOnce(OwnSerials.first))
    #expect(try account.hasCertainReply(.call(1, "Do")))
    #expect(account.noteUnansweredAtOnce(OwnSerials.first - 1))
    #expect(try !account.hasCertainReply(.call(1, "Do")))
  }

  // MARK: Calls that the client is asked

  @Test("the client answers each caller once, and nobody who did not call")
  func clientReplies() {
    let account = Account()
    #expect(account.expectClientReply(1, 5) == nil)
    #expect(account.mayClientReply(1, 5) && !account.mayClientReply(2, 5) && !account.mayClientReply(1, 6))
    #expect(!account.takeClientReply(2, 5))
    #expect(account.takeClientReply(1, 5))
    #expect(!account.takeClientReply(1, 5) && account.incomingCount == 0)
  }

  @Test("a caller that has left is answered no more; others are")
  func gone() {
    let account = Account()
    for (caller, serial) in [(1, 5), (1, 6), (2, 5)] as [(UInt64, UInt32)] {
      #expect(account.expectClientReply(caller, serial) == nil)
    }
    account.forget(1)
    #expect(account.incomingCount == 1 && !account.mayClientReply(1, 5) && account.mayClientReply(2, 5))
  }

  @Test("why a caller may have no further call")
  func incomingFull() {
    let account = Account {
      $0.incomingCallsPerCallerMax = 2
      $0.incomingCallsMax = 4
    }
    for serial in [5, 6] as [UInt32] { #expect(account.expectClientReply(1, serial) == nil) }
    #expect(account.expectClientReply(1, 7) == .pendingIncomingPerCaller)
    #expect(account.expectClientReply(2, 5) == nil)
    #expect(account.expectClientReply(3, 5) == nil)
    #expect(account.expectClientReply(4, 5) == .pendingIncoming && account.incomingCount == 4)
  }

  @Test("where there may be no room nothing is remembered at once")
  func atOnce() {
    let account = Account { $0.incomingCallsMax = 4 }
    #expect(account.expectClientReplyAtOnce(1, 5) && account.expectClientReplyAtOnce(2, 5))
    #expect(!account.expectClientReplyAtOnce(3, 5) && account.incomingCount == 2)
    #expect(account.expectClientReply(3, 5) == nil, "there is room when it is looked for")
  }

  @Test("the bus is asked for four callers at once and eight at a time; an answer makes room for another")
  func callersAsked() {
    let account = Account { $0.incomingCallsMax = 100 }
    for caller in 1...60 as ClosedRange<UInt64> { #expect(account.expectClientReply(caller, 5) == nil) }
    var asked: [UInt32] = []
    for count in [4, 4, 0] {
      let callers = account.takeCallersToAsk()
      #expect(callers.count == count)
      for _ in callers { asked.append(account.noteOwnCall(.ownNameHasOwner)) }
    }
    #expect(account.callersAsked == 8)
    account.takeOwnReply(asked[0])
    #expect(account.callersAsked == 7 && account.takeCallersToAsk().count == 1)
  }

  // MARK: The gate's own calls

  @Test("own calls take serials from the highest on, but for those that the client's calls have")
  func ownSerials() {
    let account = Account()
    #expect(account.expect(.max - 1) == nil)
    let serials = (0..<3).map { _ in account.noteOwnCall(.ownAddMatch) }
    #expect(serials == [.max, .max - 2, .max - 3] && account.ownCallCount == 3)
    #expect(serials.allSatisfy { account.isTakenByOwnCall($0) } && !account.isTakenByOwnCall(.max - 1))
    account.takeOwnReply(.max)
    #expect(account.ownCallCount == 2 && !account.isTakenByOwnCall(.max))
    #expect(account.expect(.max) == nil, "it is the client's again")
  }

  @Test("own calls find room where the client's have none, and only those that ask for callers count as such")
  func beyondLimit() {
    let account = Account { $0.pendingRepliesMax = 1 }
    #expect(account.expect(5) == nil)
    let own = account.noteOwnCall(.ownListNames)
    #expect(account.purpose(of: own) == .ownListNames && account.callersAsked == 0)
    #expect(account.expect(6) == .pendingReplies)
  }

  @Test("the gate's own Hello is a call of its own that is answered as Hello is")
  func ownHello() {
    let account = Account()
    account.noteOwnHello(.max)
    #expect(account.purpose(of: .max) == .ownHello && account.isTakenByOwnCall(.max))
    #expect(account.ownCallCount == 0, "what waits for Hello does not wait for its serial")
    account.remove(.max)
    #expect(!account.awaits(.max))
  }
}
