// The table of what calls are for.

import DBusWire
import Testing

@testable import GateSession

@Suite("what a call without an answer was for")
struct CallPurposeTests {
  /// What a row of the table says.
  struct Row: CustomTestStringConvertible, Sendable {
    var testDescription: String { "\(purpose)" }
    let purpose: CallPurpose
    let addressee: CallPurpose.Addressee
    let isReplaceable: Bool
    let ownMethod: String?

    init(_ purpose: CallPurpose, _ addressee: CallPurpose.Addressee, isReplaceable: Bool = false, own ownMethod: String? = nil) {
      (self.purpose, self.addressee, self.isReplaceable, self.ownMethod) = (purpose, addressee, isReplaceable, ownMethod)
    }
  }

  static let rows = [
    Row(.call, .clientOrNobody, isReplaceable: true), Row(.hello, .whoeverItSays), Row(.addMatch, .clientOrNobody),
    Row(.requestName, .clientOrNobody), Row(.listNames, .clientOrNobody, isReplaceable: true),
    Row(.question, .clientOrNobody, isReplaceable: true), Row(.becomeMonitor, .client),
    Row(.ownHello, .whoeverItSays, own: "Hello"),
    Row(.ownAddMatch, .client, own: "AddMatch"), Row(.ownListNames, .client, own: "ListNames"),
    Row(.ownGetNameOwner, .client, own: "GetNameOwner"), Row(.ownNameHasOwner, .client, own: "NameHasOwner"),
    Row(.ownReleaseName, .client, own: "ReleaseName"),
  ]

  @Test("each purpose says to whom its answer goes, and what may stand in its place", arguments: rows)
  func table(row: Row) {
    let entry = row.purpose.entry
    #expect(entry.addressee == row.addressee && entry.isReplaceable == row.isReplaceable)
    #expect(entry.ownMethod?.description == row.ownMethod && row.purpose.isOwn == (row.ownMethod != nil))
  }

  @Test("no purpose is without a row here")
  func complete() {
    #expect(Set(Self.rows.map(\.purpose)) == Set(CallPurpose.allCases) && Self.rows.count == CallPurpose.allCases.count)
  }

  @Test("the gate calls only what the driver's table has, and no error takes the place of an answer that stays here")
  func own() {
    for purpose in CallPurpose.allCases where purpose.isOwn {
      let method = purpose.entry.ownMethod?.description
      #expect(Driver.methods.contains { $0.member.description == method && $0.interface.description == Driver.name.description })
      #expect(!purpose.entry.isReplaceable)
    }
  }

  @Test(
    "an answer that is for another than the client is none, unless it is what tells the name",
    arguments: CallPurpose.allCases, [Rig.name, ":1.8", nil])
  func addressee(purpose: CallPurpose, destination: String?) throws {
    let rig = try Rig.open()
    #expect(
      rig.session.mediator.replies.expect(PendingCall(serial: 77, purpose: purpose, expectedSender: .driver, detail: 0)) == nil)
    // dbus-daemon says neither where nobody was called.
    let answer = Draft.answer(9, to: 77, of: destination, from: destination == nil ? nil : Driver.name.description)
    let awaited = rig.session.mediator.replies.awaited(77)
    let call = try #require(awaited)
    let reason = try answer.withView { rig.session.mediator.reasonAgainst($0, answering: call) }
    let isTaken =
      switch purpose.entry.addressee {
      case .client: destination == Rig.name
      case .clientOrNobody: destination != ":1.8"
      case .whoeverItSays: true
      }
    #expect(reason == (isTaken ? nil : .notAddressed))
  }

  @Test(
    "what comes from nobody, and is for nobody, answers calls to the driver alone", arguments: [ExpectedSender.driver, .anyone])
  func unaddressed(expected: ExpectedSender) throws {
    let rig = try Rig.open()
    let call = PendingCall(serial: 77, purpose: .call, expectedSender: expected, detail: 0)
    let reason = try Draft.answer(9, to: 77, of: nil).withView { rig.session.mediator.reasonAgainst($0, answering: call) }
    #expect(reason == (expected == .driver ? nil : .notAddressed))
  }
}
