// Names against a naive reference: owners come, go and change at random, the client asks and calls at random, and each time what happens is
// what the manual page says of the names that the other end owns, or once owned. Whatever is hidden is never said.

import DBusWire
import GatePolicy
import Testing

@testable import GateSession

/// What xdg-dbus-proxy(1) says, in the plainest way.
private struct Reference {
  let levels: [String: NameLevel]
  /// The names that a unique name ever owned.
  var ever: [String: Set<String>] = [:]
  var visible: Set<String> = []

  func level(_ name: String) -> NameLevel {
    if name == Rig.name { return .talk }
    if !name.hasPrefix(":") { return levels[name] ?? .none }
    let owned = ever[name, default: []].map { levels[$0] ?? .none }.max() ?? .none
    return max(owned, visible.contains(name) ? .see : .none)
  }

  func call(_ name: String) -> String {
    switch level(name) {
    case .none: name.hasPrefix(":") ? "NameHasNoOwner" : "ServiceUnknown"
    case .see: "AccessDenied"
    case .talk, .own: "passes"
    }
  }

  func request(_ name: String) -> String { level(name) == .own ? "passes" : "AccessDenied" }
  func question(_ name: String) -> String { level(name) >= .see ? "passes" : "NameHasNoOwner" }
}

@Suite("names: simulated from a seed")
struct NamesSimulationTests {
  private struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state ^ state >> 29) &* 0xBF58_476D_1CE4_E5B9
    }
  }

  private static let levels: [String: NameLevel] = [
    "org.own.a": .own, "org.talk.a": .talk, "org.talk.b": .talk, "org.see.a": .see, "org.hidden.a": .none, "org.hidden.b": .none,
  ]

  @Test("each answer is the reference's, and no hidden name is in anything the client gets", arguments: 0..<20 as Range<UInt64>)
  func simulate(seed: UInt64) throws {
    var random = Generator(state: seed)
    let rules = names(own: ["org.own.*"], talk: ["org.talk.*"], see: ["org.see.a"], trusting: true)
    let bus = try NamedBus([], rules)
    try bus.addMatch("type='signal'")
    var reference = Reference(levels: Self.levels)
    let wellKnown = Self.levels.keys.sorted()
    var nextUnique = 20
    var uniques = (10..<16).map { ":1.\($0)" }
    for _ in 0..<300 {
      bus.forget()
      let name = wellKnown.randomElement(using: &random)!
      let index = uniques.indices.randomElement(using: &random)!
      let unique = uniques[index]
      let either = Bool.random(using: &random) ? name : unique
      switch Int.random(in: 0..<10, using: &random) {
      case 0, 1:
        if bus.owners[name] == unique { break }
        bus.change(name, to: unique)
        reference.ever[unique, default: []].insert(name)
      case 2:
        if bus.owners[name] != nil { bus.change(name, to: nil) }
      case 3:
        bus.leave(unique)
        (reference.ever[unique], uniques[index]) = (nil, ":1.\(nextUnique)")
        reference.visible.remove(unique)
        nextUnique += 1
      case 4: #expect(try bus.call(either) == reference.call(either), "call to \(either)")
      case 5:
        #expect(try bus.ask("GetConnectionUnixUser", .string(either)) == reference.question(either), "question about \(either)")
      case 6: #expect(try bus.ask("RequestName", .string(name), .number(0)) == reference.request(name), "request of \(name)")
      case 7:
        let passes = reference.level(unique) >= .talk
        #expect(try bus.delivers(.signal(0, "Sig", from: unique)) == passes, "broadcast of \(unique)")
        if passes { reference.visible.insert(unique) }
      case 8:
        #expect(try bus.delivers(.call(0, to: Rig.name, "Do", from: unique)))
        reference.visible.insert(unique)
      default:
        #expect(try bus.ask("ListNames") == "passes")
        let listed = try #require(try bus.answerLast(.strings(bus.list + uniques))).texts
        let expected = (bus.list + uniques).filter { $0 == NamedBus.driver || reference.level($0) >= .see }
        #expect(listed == expected)
      }
      let said = String(decoding: bus.rig.client.stream, as: UTF8.self)
      // But where the client is told what it asked about itself.
      #expect(!said.replacing("about \(name) ", with: "").contains("org.hidden"))
    }
  }
}
