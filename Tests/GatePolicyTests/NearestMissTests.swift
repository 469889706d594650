// Which rule a log names beside a denial.

import DBusWire
import Testing

@testable import GatePolicy

@Suite("the nearest miss")
struct NearestMissTests {
  private static func rule(
    _ interface: String, _ path: String, _ methods: [String], outgoing: Bool = true, signals: Bool = true, maxFDs: Int? = nil,
    action: GatewayRule.Action = .allow
  ) -> GatewayRule {
    GatewayRule(
      outgoing: outgoing, incoming: !outgoing, interface: Glob(Array(interface.utf8)), objectPath: Glob(Array(path.utf8)),
      methods: methods.map { Glob(Array($0.utf8)) }, signals: signals, maxFDs: maxFDs, action: action,
      location: SourceLocation(file: "f", line: 1, column: 1))
  }

  struct Case: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var rules: [GatewayRule]
    var interface = "a.B"
    var isSignal = false
    var literally = false
    var expected: NearestMiss?
  }

  static let cases = [
    Case(testDescription: "nothing without rules", rules: [], expected: nil),
    Case(testDescription: "nothing when nothing is near", rules: [rule("x.Y", "/x", ["X"])], expected: nil),
    Case(
      testDescription: "the path", rules: [rule("x.Y", "*", ["*"]), rule("a.B", "/x", ["Do"])],
      expected: NearestMiss(rule: 1, parts: [.objectPath])),
    Case(
      testDescription: "the method", rules: [rule("a.*", "/p", ["X", "Y"])], expected: NearestMiss(rule: 0, parts: [.method])),
    Case(
      testDescription: "path and method", rules: [rule("a.B", "/x", ["X"])],
      expected: NearestMiss(rule: 0, parts: [.objectPath, .method])),
    Case(
      testDescription: "the interface alone", rules: [rule("a.C", "/p", ["Do"])],
      expected: NearestMiss(rule: 0, parts: [.interface])),
    Case(
      testDescription: "the direction", rules: [rule("a.B", "/p", ["Do"], outgoing: false)],
      expected: NearestMiss(rule: 0, parts: [.direction])),
    Case(
      testDescription: "the type", rules: [rule("a.B", "/p", ["Do"], signals: false)], isSignal: true,
      expected: NearestMiss(rule: 0, parts: [.type])),
    Case(
      testDescription: "descriptors", rules: [rule("a.B", "/p", ["Do"], maxFDs: 0)],
      expected: NearestMiss(rule: 0, parts: [.maxFDs])),
    Case(
      testDescription: "fewer misses before more", rules: [rule("a.B", "/x", ["X"]), rule("a.B", "/p", ["X"])],
      expected: NearestMiss(rule: 1, parts: [.method])),
    Case(
      testDescription: "the first of two alike", rules: [rule("a.B", "/x", ["Do"]), rule("a.B", "/y", ["Do"])],
      expected: NearestMiss(rule: 0, parts: [.objectPath])),
    Case(testDescription: "no deny rule", rules: [rule("a.B", "/x", ["Do"], action: .deny)], expected: nil),
    Case(
      testDescription: "a call without interface", rules: [rule("a.B", "/p", ["Do"])], interface: "",
      expected: NearestMiss(rule: 0, parts: [.interface])),
    Case(
      testDescription: "a wildcard where only a literal would do", rules: [rule("*", "*", ["*"])], literally: true,
      expected: NearestMiss(rule: 0, parts: [.literal])),
  ]

  @Test("is", arguments: cases)
  func nearest(_ item: Case) {
    let policy = Policy(rules: item.rules, busName: "SESSION")
    let (interface, path, member) = (Array(item.interface.utf8), Array("/p".utf8), Array("Do".utf8))
    let query = RuleQuery(
      direction: .outgoing, isSignal: item.isSignal, interface: interface.span.bytes, path: path.span.bytes,
      member: member.span.bytes, descriptors: 1)
    let miss = policy.nearestMiss(query, literally: item.literally)
    #expect(miss == item.expected)
  }
}
