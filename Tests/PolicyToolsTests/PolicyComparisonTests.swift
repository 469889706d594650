import GatePolicy
import Testing

@testable import PolicyTools

@Suite("what one policy allows and another does not")
struct PolicyComparisonTests {
  private static func said(_ old: [GatewayRule], _ new: [GatewayRule]) -> [String] {
    PolicyComparison(from: old, to: new).differences.map { "\($0.change.rawValue): \($0.example)" }
  }

  @Test("policies that say the same in other words are the same")
  func same() {
    let words = [rule(interface: "a.b", methods: ["A*"]), rule(interface: "a.b", methods: ["B"])]
    let others = [rule(interface: "a.b", methods: ["B", "A", "A?*", "A*"])]
    #expect(Self.said(words, others) == [])
  }

  @Test("several globs that cover one together are seen to")
  func together() {
    // A member begins with a letter or `_`: with every one of them named, `*` says no more.
    let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
    let all = [rule(interface: "a.b", methods: letters.map { "\($0)*" })]
    #expect(Self.said(all, [rule(interface: "a.b")]) == [])
    #expect(
      Self.said([rule(interface: "a.b", methods: letters.dropFirst(3).map { "\($0)*" })], [rule(interface: "a.b")])
        == ["allowed: outgoing method_call a.b.a on /"])
  }

  @Test("a difference that no legal message has is none")
  func illegal() {
    let old = [rule(interface: "a.b", path: "/a", methods: ["M"])]
    for more in [
      rule(interface: "a..b", path: "/a", methods: ["M"]), rule(interface: "a.b", path: "/a/", methods: ["M"]),
      rule(interface: "a.b", path: "a*", methods: ["M"]), rule(interface: "a.b", path: "/a", methods: ["9*"]),
      rule(interface: "a", path: "/a", methods: ["M"]), rule(interface: "a.b", path: "/a", methods: ["M.N"]),
      rule(interface: "a.b", path: "/a", methods: [String(repeating: "?", count: 256) + "*"]),
    ] {
      #expect(Self.said(old, old + [more]) == [])
    }
    let longest = [rule(interface: "a.b", path: "/a", methods: [String(repeating: "?", count: 255)])]
    #expect(Self.said(old, old + longest).count == 1)
  }

  @Test("a deny rule that goes lets through what allow rules had all along, and the other way round")
  func deny() {
    let allow = rule(interface: "a.b", path: "/a*", methods: ["M"], line: 1)
    let denial = rule(interface: "*", path: "/ab", action: .deny, line: 2)
    let gone = PolicyComparison(from: [allow, denial], to: [allow]).differences
    #expect(gone.map(\.example.description) == ["outgoing method_call a.b.M on /ab"] + Self.driverMethods(path: "/ab"))
    #expect(gone[0].allowedBy?.line == 1 && gone[0].deniedBy?.line == 2)
    let come = PolicyComparison(from: [allow], to: [allow, denial]).differences
    #expect(come.map(\.change) == Array(repeating: .noLongerAllowed, count: gone.count))
    #expect(come[0].deniedBy?.line == 2)
  }

  /// What a deny rule for everything on a path takes away at the bus itself, where it needs no allow rule.
  private static func driverMethods(path: String) -> [String] {
    DriverMessages.allowed(by: []).flatMap { messages -> [String] in
      ["", " without INTERFACE"].map { rest in
        let interface = rest.isEmpty ? String(decoding: messages.interface[0].pattern, as: UTF8.self) + "." : ""
        return "outgoing method_call \(interface)\(String(decoding: messages.member[0].pattern, as: UTF8.self)) on \(path)\(rest)"
          + " to the bus itself"
      }
    }
  }

  @Test("directions, types and calls without INTERFACE are told apart")
  func cells() {
    let old = [rule(interface: "a.b", path: "/", methods: ["M"])]
    #expect(
      Self.said(old, [rule(incoming: true, interface: "a.b", path: "/", methods: ["M"], signals: true)]) == [
        "allowed: outgoing signal a.b.M on /", "allowed: incoming method_call a.b.M on /", "allowed: incoming signal a.b.M on /",
      ])
    // `**` matches as much as `*`, but opens no call without INTERFACE.
    #expect(
      Self.said([rule(interface: "**", path: "/", methods: ["M"])], [rule(path: "/", methods: ["M"])])
        == ["allowed: outgoing method_call M on / without INTERFACE"])
  }

  @Test("descriptors are counted")
  func descriptors() {
    let old = [rule(interface: "a.b", path: "/", methods: ["M"], maxFDs: 2)]
    #expect(
      Self.said(old, [rule(interface: "a.b", path: "/", methods: ["M"], maxFDs: 3)])
        == ["allowed: outgoing method_call a.b.M on / with 3 descriptors"])
    #expect(Self.said(old, [rule(interface: "a.b", path: "/", methods: ["M"], maxFDs: 2), old[0]]) == [])
    let split = [old[0], rule(interface: "a.b", path: "/", methods: ["M"], maxFDs: 1)]
    #expect(Self.said(split, old) == [])
  }

  @Test("names of the other end are told apart, two of them where an allow and a deny rule each ask for one")
  func names() {
    let open = rule(interface: "a.b", path: "/", methods: ["M"], line: 1)
    let named = rule(interface: "a.b", path: "/", methods: ["M"], name: "c.d")
    #expect(Self.said([named], [open]) == ["allowed: outgoing method_call a.b.M on /"])
    #expect(Self.said([open], [open, named]) == [])
    let subtree = rule(interface: "a.b", path: "/", methods: ["M"], name: "c.d.*")
    #expect(Self.said([named], [subtree]) == ["allowed: outgoing method_call a.b.M on / to c.d.x"])
    #expect(Self.said([subtree], [named, subtree]) == [])
    let denial = rule(interface: "a.b", path: "/", methods: ["M"], action: .deny, name: "e.f")
    #expect(Self.said([named, denial], [named]) == ["allowed: outgoing method_call a.b.M on / to e.f and c.d"])
    #expect(
      Self.said([rule(outgoing: false, incoming: true, interface: "a.b", path: "/", methods: ["M"], name: "c.d")], [])
        == ["no-longer-allowed: incoming method_call a.b.M on / from c.d"])
  }

  @Test("what only a rule that names it opens at the bus is told, however broad the other policy is")
  func driver() {
    let broad = [rule(line: 1)]
    let literal = [
      rule(line: 1), rule(interface: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", methods: ["ReloadConfig"], line: 2),
    ]
    #expect(
      Self.said(broad, literal) == [
        "allowed: outgoing method_call org.freedesktop.DBus.ReloadConfig on /org/freedesktop/DBus to the bus itself",
        "allowed: outgoing method_call ReloadConfig on /org/freedesktop/DBus without INTERFACE to the bus itself",
      ])
    #expect(Self.said(literal, literal.reversed()) == [])
  }

  @Test("where the bound on work is hit, that is said, and no difference is made up")
  func bound() {
    // Neither covers the other, and to see it takes every text of some length.
    let hard = (1...12).map { "*a\(String(repeating: "?", count: $0))" }
    let old = [rule(interface: "a.b", methods: hard + ["*"], line: 1)]
    let new = [rule(interface: "a.b", methods: ["*b????????????a*c?????????????*"], line: 2)]
    let comparison = PolicyComparison(
      from: [rule(interface: "a.b", methods: hard, line: 1)], to: new, budget: SearchBudget(total: 1000, perSearch: 1000))
    #expect(comparison.differences.allSatisfy { $0.change == .noLongerAllowed })
    #expect(comparison.undecided.contains { $0.change == .allowed && $0.rule?.line == 2 })
    let decided = PolicyComparison(
      from: old, to: [rule(interface: "a.b", methods: ["b*"], line: 2)], budget: SearchBudget(total: 1000, perSearch: 1000))
    #expect(decided.undecided.allSatisfy { $0.change == .noLongerAllowed })
  }

  @Test("policies of 10,000 rules are compared in a time that goes with their length")
  func large() {
    let old = (0..<10_000).map { number in
      rule(
        interface: "org.example.I\(number % 3000)", path: "/org/example/\(number)/*", methods: ["Get", "Set\(number)"],
        line: number)
    }
    var new = old
    new[77] = rule(interface: "org.example.I77", path: "/org/example/77*", methods: ["Get", "Set77"], line: 77)
    new.append(rule(interface: "org.example.*", path: "/wide", methods: ["*"], line: 20_000))
    let comparison = PolicyComparison(from: old, to: new)
    #expect(comparison.undecided.isEmpty)
    #expect(Set(comparison.differences.map(\.allowedBy!.line)) == [77, 20_000])
    #expect(comparison.differences.count == 3)
  }
}
