// Messages whose headers say the same and whose arguments do not: each is decided on by what it says, however many alike went before it.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

@Suite("messages with the same header and other arguments")
struct SameHeaderTests {
  private static let driver = NamedBus.driver
  private static let owners = ["org.foo": ":1.5", "org.see": ":1.6", "org.hid": ":1.8"]

  /// A call to the driver.
  struct Call: CustomTestStringConvertible, Sendable {
    var testDescription: String { member }
    let member: String
    /// What passes, and what does not.
    let open: Draft.Value, closed: Draft.Value
    let refusal: String
    var flags = false

    init(_ member: String, _ open: String, _ closed: String, _ refusal: String, flags: Bool = false) {
      (self.member, self.open, self.closed, self.refusal) = (member, .string(open), .string(closed), refusal)
      self.flags = flags
    }

    func values(_ value: Draft.Value) -> [Draft.Value] { flags ? [value, .number(0)] : [value] }
  }

  @Test(
    "a call that may not pass does not pass behind others that may, nor does one that may stay behind others that may not",
    arguments: [
      Call("AddMatch", "path='/a/bcdef'", "eavesdrop=true", "AccessDenied"),
      Call("AddMatch", "path='/a/bcdef'", "path=no/path='/'", "MatchRuleInvalid"),
      Call("RequestName", "org.own", "org.hid", "AccessDenied", flags: true),
      Call("ReleaseName", "org.own", "org.hid", "AccessDenied"),
      Call("StartServiceByName", "org.foo", "org.hid", "ServiceUnknown", flags: true),
      Call("GetNameOwner", "org.see", "org.hid", "NameHasNoOwner"),
      Call("NameHasOwner", "org.see", "org.hid", "return"),
      Call("GetConnectionUnixUser", "org.see", "org.hid", "NameHasNoOwner"),
      Call("ListQueuedOwners", "org.own", "org.hid", "NameHasNoOwner"),
    ], [true, false])
  func calls(call: Call, isOpenFirst: Bool) throws {
    let bus = try NamedBus([], names(own: ["org.own"], talk: ["org.foo"], see: ["org.see"]), owners: Self.owners)
    func ask(_ value: Draft.Value) throws -> String {
      try bus.outcome(Draft.driver(0, call.member).with(call.values(value)))
    }
    let (first, last) = isOpenFirst ? (call.open, call.closed) : (call.closed, call.open)
    for _ in 0..<8 { #expect(try ask(first) == (isOpenFirst ? "passes" : call.refusal)) }
    #expect(try ask(last) == (isOpenFirst ? call.refusal : "passes"))
    #expect(try ask(first) == (isOpenFirst ? "passes" : call.refusal))
  }

  @Test(
    "a change of a hidden name's owner is not told behind others that are, nor the other way round", arguments: [true, false])
  func ownerChanges(isVisibleFirst: Bool) throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: Self.owners)
    try bus.addMatch("member='NameOwnerChanged'")
    func isTold(_ name: String) throws -> Bool {
      bus.forget()
      bus.tell(name, ":1.1", ":1.2")
      return try !bus.rig.messages(.client).isEmpty
    }
    let (first, last) = isVisibleFirst ? ("org.foo", "org.hid") : ("org.hid", "org.foo")
    for _ in 0..<8 { #expect(try isTold(first) == isVisibleFirst) }
    #expect(try isTold(last) != isVisibleFirst)
  }

  @Test("of each name that is acquired or lost note is taken")
  func ownNames() throws {
    let bus = try NamedBus([rule(.incoming)])
    func tell(_ member: String, _ name: String) {
      bus.rig.feed(
        .signal(9, to: Rig.name, interface: Self.driver, member, path: "/org/freedesktop/DBus", from: Self.driver).with([
          .string(name)
        ]),
        from: .bus)
    }
    func arrives(at name: String) throws -> Bool {
      try bus.delivers(.call(0, to: name, "Do", from: ":1.5").changed { $0.flags = Draft.noReply })
    }
    for number in 0..<8 { tell("NameAcquired", "org.n\(number)") }
    for number in 0..<8 { #expect(try arrives(at: "org.n\(number)")) }
    #expect(try !arrives(at: "org.n8"))
    for number in 0..<8 { tell("NameLost", "org.n\(number)") }
    for number in 0..<8 { #expect(try !arrives(at: "org.n\(number)")) }
  }

  @Test("from each list of names those are left out that are hidden")
  func lists() throws {
    let bus = try NamedBus([], names(talk: ["org.foo"]), owners: Self.owners)
    for number in 0..<8 {
      #expect(try bus.ask("ListNames") == "passes")
      let listed = try #require(try bus.answerLast(.strings(["org.foo", "org.hid", "org.n\(number)"])))
      #expect(listed.texts == ["org.foo"])
    }
  }

  @Test("each match rule counts, and each name that is asked for", arguments: [1, 8])
  func counts(count: Int) throws {
    let bus = try NamedBus { $0.opensNames = true }
    for number in 0..<count {
      #expect(try bus.ask("AddMatch", .string("path='/n\(number)'")) == "passes")
      #expect(try bus.ask("RequestName", .string("org.n\(number)"), .number(0)) == "passes")
    }
    #expect(bus.rig.session.mediator.matches.count == count)
    for number in 0..<8 {
      let isCounted = bus.rig.session.mediator.names.number(of: bus.rig.hash("org.n\(number)")) <= count
      #expect(isCounted == (number < count))
    }
  }
}
