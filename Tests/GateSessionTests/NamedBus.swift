// A bus that knows who owns which name, beside a rig: it answers what the gate asks for itself, and says what changes. Messages of the
// gate's own are told from the client's by their serials: tests give the client small ones.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

/// Names by level.
func names(
  own: [String] = [], talk: [String] = [], see: [String] = [], sloppy: Bool = false, trusting: Bool = false
) -> NameRules {
  var names = NameRules()
  let place = SourceLocation(file: "names.json", line: 1, column: 1)
  for (level, patterns) in [(NameLevel.own, own), (.talk, talk), (.see, see)] {
    for pattern in patterns { names.allow(level, try! NamePattern(Array(pattern.utf8)), at: place) }
  }
  names.showsUniqueNames = sloppy
  names.trustsPeers = trusting
  return names
}

final class NamedBus {
  static let driver = "org.freedesktop.DBus"

  let rig: Rig
  /// Unique names by well-known ones.
  private(set) var owners: [String: String]
  /// What was asked by the gate itself, in order.
  private(set) var asked: [String] = []
  private var answered = 0
  private var serial: UInt32 = 1000
  private var clientSerial: UInt32 = 100
  /// Whether it answers by itself.
  var isAnswering = true
  var refusesMatches = false

  /// A client that has its name, behind a gate with these names, on a bus with these owners.
  init(
    _ rules: [GatewayRule] = [], _ names: NameRules? = nil, owners: [String: String] = [:], isAnswering: Bool = true,
    _ configure: (inout SessionSettings) -> Void = { _ in }
  ) throws {
    self.owners = owners
    self.isAnswering = isAnswering
    rig = Rig(rules, configure)
    for (name, owner) in owners.sorted(by: { $0.key < $1.key }) { rig.changeOwner(name, to: owner) }
    rig.policy = Policy(rules: rules, names: names, busName: "SESSION")
    rig.authenticate()
    try rig.hello(keeping: true)
    answerGate()
    if isAnswering { forget() }
  }

  func forget() {
    rig.forget()
    answered = 0
  }

  /// What arrived from the gate itself.
  private func isOwn(_ message: Arrived) -> Bool {
    message.serial >= 0xFE00_0000 && message.type == .methodCall && message.destination == Self.driver
  }

  /// What the client sent and the gate let through.
  func forwarded() throws -> [String] { try rig.messages(.bus).filter { !isOwn($0) }.map(\.summary) }

  /// Answers what the gate asked and was not answered yet; `from`: so many messages were answered otherwise.
  func answerGate(from first: Int = 0) {
    if !isAnswering { return }
    answered = max(answered, first)
    while rig.close == nil, let messages = try? rig.messages(.bus), answered < messages.count {
      let message = messages[answered]
      answered += 1
      if !isOwn(message) { continue }
      asked.append(message.member + (message.text.isEmpty ? "" : "(\(message.text))"))
      if message.flags & Draft.noReply != 0 { continue }
      answer(message)
    }
  }

  private func answer(_ call: Arrived) {
    serial += 1
    let answer = Draft.answer(serial, to: call.serial, of: Rig.name, from: Self.driver)
    switch call.member {
    case "AddMatch":
      rig.feed(refusesMatches ? .error(serial, to: call.serial, of: Rig.name, from: Self.driver) : answer, from: .bus)
    case "ReleaseName": rig.feed(answer.with([.number(1)]), from: .bus)
    case "ListNames": rig.feed(answer.with([.strings(list)]), from: .bus)
    case "GetNameOwner":
      if let owner = owners[call.text] {
        rig.feed(answer.with([.string(owner)]), from: .bus)
      } else {
        rig.feed(.error(serial, to: call.serial, of: Rig.name, from: Self.driver), from: .bus)
      }
    default: Issue.record("the gate asked for \(call.member)")
    }
  }

  /// All names of the bus.
  var list: [String] { [Self.driver, Rig.name] + owners.keys.sorted() + Set(owners.values).sorted() }

  /// Another owner, or none.
  func change(_ name: String, to owner: String?) {
    let old = owners[name]
    owners[name] = owner
    rig.changeOwner(name, to: owner ?? "")
    tell(name, old, owner)
  }

  /// A peer leaves, with all its names.
  func leave(_ unique: String) {
    for name in owners.filter({ $0.value == unique }).keys.sorted() { change(name, to: nil) }
    rig.changeOwner(unique, to: "")
    tell(unique, unique, nil)
  }

  func tell(_ name: String, _ old: String?, _ new: String?) {
    serial += 1
    let signal = Draft.signal(
      serial, interface: Self.driver, "NameOwnerChanged", path: "/org/freedesktop/DBus", from: Self.driver)
    rig.feed(signal.with([.string(name), .string(old ?? ""), .string(new ?? "")]), from: .bus)
    answerGate()
  }

  // MARK: The client

  /// The client calls, and the call goes to the bus, or is answered: by what, is said.
  func call(
    _ destination: String, _ member: String = "Do", interface: String? = "org.foo.Bar", path: String = "/foo", flags: UInt8 = 0
  ) throws -> String {
    try outcome(.call(0, to: destination, interface: interface, member, path: path).changed { $0.flags = flags })
  }

  /// The client asks the driver.
  func ask(_ member: String, _ values: Draft.Value...) throws -> String {
    try outcome(Draft.call(0, to: Self.driver, interface: Self.driver, member, path: "/org/freedesktop/DBus").with(values))
  }

  func outcome(_ draft: Draft) throws -> String {
    clientSerial += 1
    let before = try (rig.messages(.bus).count, rig.messages(.client).count)
    rig.feed(draft.changed { $0.serial = clientSerial }, from: .client)
    if let arrived = try rig.messages(.bus).dropFirst(before.0).first(where: { $0.serial == clientSerial }) {
      #expect(arrived.bytes == draft.changed { $0.serial = clientSerial }.bytes)
      return "passes"
    }
    guard let answer = try rig.messages(.client).dropFirst(before.1).first else { return "nothing" }
    #expect(answer.replySerial == clientSerial && answer.sender == Self.driver && answer.destination == Rig.name)
    if answer.type == .methodReturn { return "return" }
    return String(answer.errorName.split(separator: ".").last ?? "")
  }

  /// Adds a match rule of the client's, and the bus agrees.
  func addMatch(_ rule: String) throws {
    #expect(try ask("AddMatch", .string(rule)) == "passes")
    serial += 1
    rig.feed(.answer(serial, to: clientSerial, of: Rig.name, from: Self.driver), from: .bus)
  }

  /// A message of a peer reaches the client.
  func delivers(_ draft: Draft) throws -> Bool {
    serial += 1
    let before = try rig.messages(.client).count
    rig.feed(draft.changed { $0.serial = serial }, from: .bus)
    return try rig.messages(.client).count > before
  }

  /// The answer of the driver to the client's last call, as it arrives.
  func answerLast(_ values: Draft.Value...) throws -> Arrived? {
    serial += 1
    let before = try rig.messages(.client).count
    rig.feed(Draft.answer(serial, to: clientSerial, of: Rig.name, from: Self.driver).with(values), from: .bus)
    return try rig.messages(.client).dropFirst(before).first
  }
}
