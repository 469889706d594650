// The table of reasons: each word is one that readers of the log find explained, each error one that clients know.

import Glibc
import Testing

@testable import GateSession

@Suite("the table of reasons")
struct ReasonTests {
  /// Words and meanings of the table on the operators' page.
  private static func documented() throws -> [[String]] {
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    let page = try text(of: root + "/contrib/OPERATORS.md")
    let section = try #require(page.split(separator: "\n## ").first { $0.hasPrefix("Reasons\n") })
    return section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { row in
      let cells = row.dropFirst("| `".count).dropLast(" |".count).split(separator: "` | ")
      return cells.map(String.init)
    }
  }

  private static func text(of path: String) throws -> String {
    let file = try #require(fopen(path, "r"), "\(path) cannot be read")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while case let byte = fgetc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test("the operators' page has each word, in the same order, with the same meaning")
  func words() throws {
    let rows = try Self.documented()
    #expect(rows == Verdict.Reason.allCases.map { [$0.word, $0.entry.meaning.description] })
    #expect(Set(rows.map { $0[0] }).count == rows.count, "a word stands for two")
  }

  @Test("each word leads back to its reason, and no other word to any", arguments: Verdict.Reason.allCases)
  func roundTrip(reason: Verdict.Reason) {
    #expect(Verdict.Reason(word: reason.word) == reason)
    #expect(Verdict.Reason(word: reason.word + " ") == nil && Verdict.Reason(word: "") == nil)
  }

  /// What clients are told of a denial, where that is not AccessDenied.
  private static let errors = [
    "fds-per-message-max": "LimitsExceeded", "fds-not-negotiated": "NotSupported", "fds-refused-by-kernel": "LimitsExceeded",
    "header-bytes-max": "LimitsExceeded", "message-bytes-max": "LimitsExceeded", "inspect-bytes-max": "LimitsExceeded",
    "pending-replies-max": "LimitsExceeded", "serial-in-use": "InvalidArgs", "match-rule-invalid": "MatchRuleInvalid",
    "match-rule-not-found": "MatchRuleNotFound", "matches-max": "LimitsExceeded", "names-max": "LimitsExceeded",
    "driver-arguments": "InvalidArgs", "service-unknown": "ServiceUnknown", "hidden": "ServiceUnknown",
    "hidden-owner": "NameHasNoOwner", "owners-max": "LimitsExceeded", "pending-replies-total": "LimitsExceeded",
    "pending-incoming-max": "LimitsExceeded", "pending-incoming-per-caller-max": "LimitsExceeded",
    "matches-total": "LimitsExceeded", "names-total": "LimitsExceeded",
  ]

  @Test("each reason has an error that clients know, and the end of a sentence to go with it", arguments: Verdict.Reason.allCases)
  func errors(reason: Verdict.Reason) {
    let entry = reason.entry
    #expect(entry.error.name.description == "org.freedesktop.DBus.Error.\(Self.errors[reason.word] ?? "AccessDenied")")
    let told = entry.told.description
    #expect(told.hasPrefix(" ") && !told.contains("  ") && told.last?.isLetter == true, "a sentence goes on around it")
    #expect(entry.sentence.utf8CodeUnitCount > 0 && entry.meaning.utf8CodeUnitCount > 0)
  }

  @Test("a limit is refused as a limit, by the name that it is set by", arguments: Verdict.Reason.allCases)
  func limits(reason: Verdict.Reason) {
    let entry = reason.entry
    if let limit = entry.limit?.description {
      #expect(limit == reason.word && entry.error == .limitsExceeded && entry.told.description.contains(limit))
      #expect(entry.refuses && !entry.isForWantOfRule && !entry.namesPolicy, "no rule helps")
    } else {
      #expect(entry.error != .limitsExceeded || reason == .descriptorsRefused, "that one is the kernel's")
    }
  }

  @Test("what is for want of a rule names the policy, and a rule would help")
  func wantOfRule() {
    let found = Verdict.Reason.allCases.filter(\.entry.isForWantOfRule)
    #expect(found == [.noRule, .driverClosed, .serviceUnknown, .hidden, .hiddenOwner])
    #expect(found.allSatisfy { $0.refuses && $0.entry.namesPolicy })
  }

  @Test("what passes, or stays here since it is the gate's, is no refusal")
  func refuses() {
    let kept: [Verdict.Reason] = [
      .driver, .reply, .monitor, .ownHello, .ownCall, .ownMatch, .filtered, .unsubscribed, .unfilteredPeer, .unfiltered,
    ]
    #expect(Verdict.Reason.allCases.filter { !$0.refuses } == kept)
  }

  @Test("the log of what did not pass goes without what the client was never to get")
  func logged() {
    #expect(
      Verdict.Reason.allCases.filter { !$0.entry.isLogged } == [
        .serviceUnknown, .ownHello, .ownCall, .ownMatch, .filtered, .unsubscribed,
      ])
  }
}
